"""The container has what the folder's runtime imports; its steps are run without Docker."""

import ast
import json
import re
import shlex
import shutil
import sys

import pytest
from recipes import EXAMPLES, assert_same, labels_of, made, run, run_well

LINES = [
    line.partition(' ')[::2]
    for line in (EXAMPLES / 'docker/Dockerfile').read_text().splitlines()
    if line and not line.startswith('#')
]
STEPS = dict(LINES)
MODULES = {'pillow': 'PIL', 'opencv-python-headless': 'cv2'}  # of packages with another name


def installed() -> list[str]:
    return re.findall(r'\b([\w-]+)==[\d.]+', STEPS['RUN'])


def test_steps_are_those_of_a_small_image():
    assert [instruction for instruction, _ in LINES] == (
        ['FROM', 'RUN', 'ENV', 'COPY', 'USER', 'WORKDIR', 'ENTRYPOINT']
    )
    assert re.fullmatch(r'python:3\.\d+-slim', STEPS['FROM'])
    assert shlex.split(STEPS['RUN'])[:3] == ['pip', 'install', '--no-cache-dir']
    assert json.loads(STEPS['ENTRYPOINT']) == ['python', '/exported/runtime.py']
    assert STEPS['COPY'] == '. /exported/'


def test_packages_are_what_the_folder_imports(onnx_folder):
    names = {path.stem for path in onnx_folder.glob('*.py')}
    assert 'runtime' in names
    imported = {
        name.partition('.')[0]
        for path in onnx_folder.glob('*.py')
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
        if name
    }
    here = {MODULES.get(name, name) for name in installed()}
    assert imported - names - set(sys.stdlib_module_names) <= here
    assert {'PIL', 'onnxruntime'} <= here


@pytest.mark.slow
def test_steps_label_a_photo(onnx_folder, photo, tmp_path):
    """In an environment with the packages of ``RUN`` alone."""
    python = made('venv') / 'bin/python'
    listed = json.loads(run_well(python, '-m', 'pip', 'list', '--format=json'))
    assert 'opencv-python' not in {package['name'] for package in listed}
    image, photos = tmp_path / 'image/exported', tmp_path / 'photos'
    shutil.copytree(onnx_folder, image)
    photos.mkdir()
    shutil.copy(photo, photos)
    run_well(python, image / 'runtime.py', 'photo.png', '--out', 'labels', cwd=photos)
    assert_same(photos / 'labels/photo.png', labels_of(onnx_folder, photo))
    (photos / 'wrong.png').write_bytes(b'no image')
    process = run(python, image / 'runtime.py', 'wrong.png', '--out', 'labels', cwd=photos)
    assert process.returncode == 1 and process.stderr.count('\n') == 1
