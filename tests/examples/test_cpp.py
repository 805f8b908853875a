"""The C++ programs give exactly the labels of the folder's runtime, and name what is wrong."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from exported import run_alone
from recipes import EXAMPLES, assert_same, labels_of, made, run, run_well

SOURCES = EXAMPLES / 'cpp'
RESHAPE = """
from engines import import_engine
openvino = import_engine('openvino', 'openvino', 'openvino')
model = openvino.Core().read_model('model.xml')
model.reshape([1, 64, 64, 3])
openvino.save_model(model, 'fixed.xml', compress_to_fp16=False)
"""


def package(name: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        pytest.skip(f'needs {name}')
    return Path(spec.origin).parent


def compile_program(name: str, out: Path, include: Path, library: Path) -> Path:
    """Compile and link a program with the engine's headers and shared library."""
    if not shutil.which('g++'):
        pytest.skip('needs g++')
    program = out / name
    run_well(
        *('g++', '-std=c++17', '-Wall', '-Wextra', '-Werror', '-isystem', include),
        *(SOURCES / f'{name}.cpp', library, f'-Wl,-rpath,{library.parent}', '-o', program),
    )
    return program


@pytest.fixture(scope='module')
def with_openvino(tmp_path_factory) -> Path:
    folder = package('openvino')
    (library,) = folder.glob('libs/libopenvino.so.*')
    out = tmp_path_factory.mktemp('cpp')
    return compile_program('segment_openvino', out, folder / 'include', library)


@pytest.fixture(scope='module')
def with_onnxruntime(tmp_path_factory) -> Path:
    """Linked with the library in the Python package, which has no headers."""
    include = made('onnxruntime')
    (library,) = package('onnxruntime').glob('capi/libonnxruntime.so.*')
    out = tmp_path_factory.mktemp('cpp')
    link = out / 'libonnxruntime.so.1'  # the name in the library
    link.symlink_to(library)
    return compile_program('segment_onnxruntime', out, include, link)


def test_openvino(with_openvino, openvino_folder, photo, tmp_path):
    out = tmp_path / 'labels.pgm'
    run_well(with_openvino, openvino_folder / 'model.xml', photo.with_suffix('.ppm'), out)
    assert_same(out, labels_of(openvino_folder, photo))


def test_openvino_computes_in_float32():
    """Else a processor with bfloat16 would compute in that; this one may have none."""
    text = (SOURCES / 'segment_openvino.cpp').read_text()
    assert 'ov::hint::inference_precision(ov::element::f32)' in text


def test_openvino_names_another_size(with_openvino, openvino_folder, photo, tmp_path):
    run_alone(RESHAPE, cwd=openvino_folder)
    ppm = photo.with_suffix('.ppm')
    process = run(with_openvino, openvino_folder / 'fixed.xml', ppm, tmp_path / 'labels.pgm')
    assert process.returncode == 1
    assert f'{ppm}: is [1,90,160,3], the network takes [1,64,64,3]' in process.stderr


def test_onnxruntime(with_onnxruntime, onnx_folder, photo, tmp_path):
    out = tmp_path / 'labels.pgm'
    run_well(with_onnxruntime, onnx_folder / 'model.onnx', photo.with_suffix('.ppm'), out)
    assert_same(out, labels_of(onnx_folder, photo))


@pytest.mark.parametrize('change', [lambda data: data[:-1], lambda data: b'P5' + data[2:], None])
def test_a_wrong_photo_is_named(with_openvino, openvino_folder, photo, tmp_path, change):
    wrong, out = tmp_path / 'wrong.ppm', tmp_path / 'labels.pgm'
    if change:
        wrong.write_bytes(change(photo.with_suffix('.ppm').read_bytes()))
    process = run(with_openvino, openvino_folder / 'model.xml', wrong, out)
    assert process.returncode == 1
    assert process.stderr.startswith(f'error: {wrong}: is ')
    assert not out.exists()


@pytest.mark.slow
def test_shipped_network(request, real_export, full_photo, tmp_path):
    engine = dict(onnx='onnxruntime').get(real_export.name, real_export.name)
    program = request.getfixturevalue(f'with_{engine}')
    (model,) = [*real_export.glob('model.onnx'), *real_export.glob('model.xml')]
    out = tmp_path / 'labels.pgm'
    run_well(program, model, full_photo.with_suffix('.ppm'), out)
    assert_same(out, labels_of(real_export, full_photo))
