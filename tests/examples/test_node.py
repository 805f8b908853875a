"""The Node program gives exactly the labels of the folder's runtime, and says what is wrong."""

import shutil
from pathlib import Path

import pytest
from recipes import EXAMPLES, assert_same, labels_of, made, run, run_well


@pytest.fixture
def program(tmp_path) -> Path:
    if not shutil.which('node'):
        pytest.skip('needs node')
    folder = tmp_path / 'node'
    shutil.copytree(EXAMPLES / 'node', folder)
    (folder / 'node_modules').symlink_to(made('node_modules').absolute())
    return folder / 'segment.mjs'


def test_labels(program, onnx_folder, photo, tmp_path):
    out = tmp_path / 'labels.png'
    printed = run_well('node', program, onnx_folder, photo, out)
    expected = labels_of(onnx_folder, photo)
    assert_same(out, expected)
    assert f'class 0: {100 * (expected == 0).mean():.1f} %\n' in printed


def test_a_wrong_file_ends_in_a_line(program, onnx_folder, tmp_path):
    process = run('node', program, onnx_folder, onnx_folder / 'report.json', tmp_path / 'out.png')
    assert process.returncode == 1
    assert process.stderr.startswith('error: ') and process.stderr.count('\n') == 1


@pytest.mark.slow
@pytest.mark.parametrize('real_export', ['onnx'], indirect=True)
def test_shipped_network(program, real_export, full_photo, tmp_path):
    out = tmp_path / 'labels.png'
    run_well('node', program, real_export, full_photo, out)
    assert_same(out, labels_of(real_export, full_photo))
