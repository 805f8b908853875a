"""The Python programs give exactly the labels of the folder's runtime."""

import sys

import pytest
from recipes import EXAMPLES, assert_same, labels_of, run_well

PROGRAMS = EXAMPLES / 'python'


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_runtime_of_the_folder(request, backend, photo, tmp_path):
    folder, out = request.getfixturevalue(f'{backend}_folder'), tmp_path / 'labels.png'
    printed = run_well(sys.executable, PROGRAMS / 'segment.py', folder, photo, out)
    expected = labels_of(folder, photo)
    assert_same(out, expected)
    assert f'class 0: {(expected == 0).mean():.1%}\n' in printed


def test_onnxruntime_alone(onnx_folder, photo, tmp_path):
    model = (onnx_folder / 'model.onnx').rename(tmp_path / 'model.onnx')
    out = tmp_path / 'labels.png'
    run_well(sys.executable, PROGRAMS / 'segment_onnxruntime.py', model, photo, out)
    model.rename(onnx_folder / 'model.onnx')
    assert_same(out, labels_of(onnx_folder, photo))


@pytest.mark.slow
def test_shipped_network(real_export, full_photo, tmp_path):
    out = tmp_path / 'labels.png'
    printed = run_well(sys.executable, PROGRAMS / 'segment.py', real_export, full_photo, out)
    assert_same(out, labels_of(real_export, full_photo))
    assert 'Road: ' in printed
