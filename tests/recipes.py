"""What the tests of examples/ share: exported folders, a photo, and what `make test-recipes` made.

The folder ``build/recipes`` (another one by ``MMSEG_EFF_RECIPES``) has ``node_modules``, the
headers of ONNX Runtime in ``onnxruntime``, and a Python environment as in the container in
``venv``.
"""

import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mmseg_eff.apis.demonstration import PHOTO
from mmseg_eff.deploy import load_runtime

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / 'examples'
MADE = Path(os.environ.get('MMSEG_EFF_RECIPES', ROOT / 'build/recipes'))
SIZE = (90, 160)


def made(name: str) -> Path:
    """What `make test-recipes` has put into its folder."""
    path = MADE / name
    if not path.exists():
        pytest.skip(f'{path} is absent; `make test-recipes` makes it')
    return path


def write_photo(folder: Path, size: tuple[int, int] = SIZE) -> Path:
    """The street as ``photo.png`` and ``photo.ppm``, at a size (H, W)."""
    photo = cv2.resize(cv2.imread(str(PHOTO)), size[::-1], interpolation=cv2.INTER_AREA)
    for name in ('photo.png', 'photo.ppm'):
        assert cv2.imwrite(str(folder / name), photo)
    return folder / 'photo.png'


def labels_of(folder: Path, photo: Path) -> NDArray[np.uint8]:
    """The labels that an exported folder's own runtime gives a photo."""
    return load_runtime(folder, threads=1).segment(cv2.imread(str(photo)))


def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """Run a program."""
    return subprocess.run([*map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=300)


def run_well(*words: object, cwd: Path | None = None) -> str:
    """Run a program that must succeed; what it prints."""
    process = run(*words, cwd=cwd)
    assert process.returncode == 0, process.stderr
    return process.stdout


def assert_same(labels: Path, expected: NDArray[np.uint8]) -> None:
    """A file has exactly these labels, of which there are several."""
    assert len(np.unique(expected)) > 2
    np.testing.assert_array_equal(cv2.imread(str(labels), cv2.IMREAD_UNCHANGED), expected)
