import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from exported import write_export, write_openvino

from mmseg_eff import deploy
from mmseg_eff.deploy import triton_model
from mmseg_eff.deploy.triton import LAYOUTS, Tensor, arrange, check_layout, tensors_of
from mmseg_eff.errors import InputError

ONNX = """name: "streets"
backend: "onnxruntime"
default_model_filename: "model.onnx"
max_batch_size: 0
input {
  name: "image"
  data_type: TYPE_UINT8
  dims: [1, -1, -1, 3]
}
output {
  name: "labels"
  data_type: TYPE_UINT8
  dims: [1, -1, -1]
  label_filename: "labels.txt"
}
version_policy {
  latest {
    num_versions: 1
  }
}
instance_group {
  count: 1
  kind: KIND_CPU
}
"""
BATCHED = """dynamic_batching {
  default_queue_policy {
    max_queue_size: 64
  }
}
"""
THREADS = """parameters {
  key: "threads"
  value {
    string_value: "0"
  }
}
"""


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file()}


@pytest.fixture
def make_model(tmp_path):
    """Export a small network and arrange it."""

    def make(layout, *, turn=lambda folder: folder, batch=1, **changed):
        folder = write_export(tmp_path / 'models/streets', batch=batch, **changed)
        turn(folder)
        report = json.loads((folder / 'report.json').read_text())
        (folder / 'report.json').unlink()
        deploy.write_report(folder, arrange(folder, report, layout, 'streets'))
        return folder

    return make


def test_onnx(make_model):
    folder = make_model('triton', classes=['road', 'traffic\nlight', *'abcdefg'])
    assert (folder / 'config.pbtxt').read_text() == ONNX
    assert (folder / 'labels.txt').read_text().splitlines() == ['road', 'traffic light', *'abcdefg']
    assert files(folder) >= {'1/model.onnx', 'report.json', 'runtime.py'}
    assert not (folder / 'model.onnx').exists()


def test_server_makes_batches_of_a_free_axis(make_model):
    expected = ONNX.replace('size: 0', 'size: 8').replace('[1, ', '[') + BATCHED
    assert (make_model('triton', batch=None) / 'config.pbtxt').read_text() == expected


def test_a_fixed_batch_is_a_part_of_the_shape(make_model):
    expected = ONNX.replace('[1, ', '[4, ')
    assert (make_model('triton', batch=4) / 'config.pbtxt').read_text() == expected


@pytest.mark.parametrize('batch', [1, None])
def test_openvino(make_model, batch):
    """Its backend in Triton fixes a batch of the server's own, so it has none."""
    folder = make_model('triton', turn=write_openvino, batch=batch)
    expected = ONNX.replace('onnxruntime', 'openvino').replace('.onnx', '.xml')
    expected = expected if batch else expected.replace('[1, ', '[-1, ')
    assert (folder / 'config.pbtxt').read_text() == expected
    assert files(folder) >= {'1/model.xml', '1/model.bin'}
    assert not list(folder.glob('model.*'))


def test_python(make_model):
    folder = make_model('triton-python', size=[48, 64])
    expected = ONNX.replace('onnxruntime', 'python').replace('size: 0', 'size: 8') + BATCHED
    expected = expected.replace('default_model_filename: "model.onnx"\n', '') + THREADS
    expected = expected.replace('[1, -1, -1', '[48, 64')
    assert (folder / 'config.pbtxt').read_text() == expected
    assert files(folder) >= {'1/model.py', 'model.onnx'}


def test_python_takes_what_the_folder_does(make_model):
    """Not what the graph does: here float32 with four channels, and more than 256 labels."""
    changed = dict(input=dict(channels=4, dtype='float32'), num_labels=300, inside=['normalise'])
    text = (make_model('triton-python', **changed) / 'config.pbtxt').read_text()
    assert 'TYPE_FP32\n  dims: [-1, -1, 4]' in text
    assert 'TYPE_UINT16\n  dims: [-1, -1]' in text


@pytest.mark.parametrize('layout', LAYOUTS[1:])
def test_the_folder_is_still_an_export(make_model, layout):
    folder = make_model(layout)
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    plain = deploy.load_runtime(write_export(folder.parent / 'plain')).segment(image)
    assert np.array_equal(deploy.load_runtime(folder).segment(image), plain)
    report = json.loads((folder / 'report.json').read_text())
    assert set(report['files']) == files(folder) - {'report.json'}


def test_damage_is_found_in_the_version(make_model):
    folder = make_model('triton')
    with (folder / '1/model.onnx').open('ab') as file:
        file.write(b'x')
    with pytest.raises(ValueError, match='is not the file exported'):
        deploy.load_runtime(folder)


def test_tensors_of_both_formats_are_equal(tmp_path):
    folder = write_export(tmp_path, batch=None)
    of_onnx = tensors_of(folder / 'model.onnx')
    assert of_onnx == (
        [Tensor('image', 'uint8', (-1, -1, -1, 3))],
        [Tensor('labels', 'uint8', (-1, -1, -1))],
    )
    assert tensors_of(write_openvino(folder) / 'model.xml') == of_onnx


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('tritn', 'onnx', 'net'), 'layout must be one of folder, triton, triton-python'),
        (('triton', 'tensorrt', 'net'), 'needs one of the backends onnx, openvino'),
        (('triton', 'onnx', 'my net'), "the last part names the model .* got 'my net'"),
        (('triton-python', 'onnx', '.net'), 'names the model'),
    ],
)
def test_what_cannot_be_arranged_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        check_layout(*arguments)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_what_can_be_arranged(layout):
    check_layout(layout, 'onnx', 'espnet-p2q8_1xb8.v2')
    check_layout('folder', 'tensorrt', 'any name')


@pytest.fixture
def model(make_model, monkeypatch):
    """Triton's Python backend in small: what it gives ``model.py`` and takes from it."""
    folder = make_model('triton-python', size=[24, 32])
    backend = SimpleNamespace(
        get_input_tensor_by_name=lambda request, name: request[name],
        Tensor=lambda name, value: (name, value),
        TritonError=str,
        InferenceResponse=lambda tensors=(), error=None: error or dict(tensors),
    )
    monkeypatch.setitem(sys.modules, 'triton_python_backend_utils', backend)
    monkeypatch.setattr(sys, 'path', [*sys.path])
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    model = triton_model.TritonPythonModel()
    parameters = dict(threads=dict(string_value='1'))
    config = json.dumps(dict(parameters=parameters))
    try:
        model.initialize(dict(model_repository=str(folder), model_config=config))
    finally:
        for name in ('runtime', 'runtime_checks', 'engine', 'engines'):
            sys.modules.pop(name, None)
    return model


def request(*shape):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return dict(image=SimpleNamespace(as_numpy=lambda: images))


def test_requests_are_answered_each_for_itself(model):
    requests = [request(1, 24, 32, 3), request(1, 24, 30, 3), request(2, 24, 32, 3)]
    first, wrong, both = model.execute(requests)
    assert wrong == 'the network was exported for [24, 32], got (24, 30)'
    for given, answer in ((requests[0], first), (requests[2], both)):
        images = given['image'].as_numpy()
        expected = [model.segmenter.segment(image) for image in images]
        assert np.array_equal(answer['labels'], expected)


def test_an_error_is_one_line(model, monkeypatch):
    def segment(image):
        raise RuntimeError('first\n  second')

    monkeypatch.setattr(model.segmenter, 'segment', segment)
    assert model.execute([request(1, 24, 32, 3)]) == ['first second']
