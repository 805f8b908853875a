import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from exported import write_export, write_openvino

from mmseg_eff import deploy
from mmseg_eff.deploy import triton_model
from mmseg_eff.deploy.package import ENGINE, MODULES
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


@pytest.mark.parametrize(
    ('changed', 'expected'),
    [
        (dict(output='probabilities', num_labels=5), 'name: "probabilities"|dims: [5, -1, -1]'),
        (dict(output='logits', num_labels=2, threshold=0.0), 'name: "logits"|dims: [1, -1, -1]'),
        (dict(output='probabilities', num_labels=2, threshold=0.0), 'dims: [2, -1, -1]'),
    ],
)
def test_python_with_scores(make_model, changed, expected):
    text = (make_model('triton-python', **changed) / 'config.pbtxt').read_text()
    assert 'data_type: TYPE_FP32' in text
    assert all(part in text for part in expected.split('|'))


def test_bfloat16_is_asked_of_openvino(make_model):
    def turn(folder):
        write_openvino(folder)
        report = json.loads((folder / 'report.json').read_text())
        deploy.write_report(folder, {**report, 'inference_precision': 'bf16'})

    text = (make_model('triton', turn=turn) / 'config.pbtxt').read_text()
    assert 'key: "HINT_BF16"\n  value {\n    string_value: "YES"' in text


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
def make_served(make_model, monkeypatch):
    """``model.py`` with Triton's Python backend in small: what it gives and takes."""
    backend = SimpleNamespace(
        get_input_tensor_by_name=lambda request, name: request[name],
        Tensor=lambda name, value: (name, value),
        TritonError=str,
        InferenceResponse=lambda tensors=(), error=None: error or dict(tensors),
    )
    monkeypatch.setitem(sys.modules, 'triton_python_backend_utils', backend)
    monkeypatch.setattr(sys, 'path', [*sys.path])
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)

    def make(**changed):
        folder = make_model('triton-python', **changed)
        model = triton_model.TritonPythonModel()
        config = json.dumps(dict(parameters=dict(threads=dict(string_value='1'))))
        try:
            model.initialize(dict(model_repository=str(folder), model_config=config))
        finally:
            for path in (*MODULES, Path(ENGINE)):
                sys.modules.pop(path.stem, None)
        return model

    return make


def request(*shape):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return dict(image=SimpleNamespace(as_numpy=lambda: images))


@pytest.mark.parametrize('batch', [1, None])
def test_requests_of_one_size_run_together(make_served, batch):
    model = make_served(batch=batch)
    sizes = []
    run = model.segmenter.run

    def note(inputs):
        sizes.append(len(inputs['image']))
        return run(inputs)

    model.segmenter.run = note
    shapes = [(1, 24, 32, 3), (1, 24, 30, 3), (2, 24, 32, 3)]
    requests = [request(*shape) for shape in shapes]
    answers = model.execute(requests)
    assert sorted(sizes) == ([1] * 4 if batch else [1, 3])
    for given, answer in zip(requests, answers, strict=True):
        images = given['image'].as_numpy()
        expected = [model.segmenter.segment(image) for image in images]
        assert np.array_equal(answer['labels'], expected)


def test_a_wrong_request_does_not_fail_the_others(make_served):
    model = make_served(size=[24, 32])
    right, wrong = model.execute([request(1, 24, 32, 3), request(1, 24, 30, 3)])
    assert right['labels'].shape == (1, 24, 32)
    assert wrong.startswith('the network was exported for 24x32, got 24x30')


def test_scores(make_served, monkeypatch):
    model = make_served(output='probabilities', num_labels=2)
    monkeypatch.setattr(model.segmenter, 'scores', lambda image: np.zeros((2, *image.shape[:2])))
    (answer,) = model.execute([request(3, 24, 32, 3)])
    assert answer['probabilities'].shape == (3, 2, 24, 32)


def test_an_error_is_one_line(make_served):
    def run(inputs):
        raise RuntimeError('first\n  second')

    model = make_served()
    model.segmenter.run = run
    assert model.execute([request(1, 24, 32, 3)] * 2) == ['first second'] * 2
