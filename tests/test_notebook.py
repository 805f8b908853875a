"""The notebook of docs/ runs without a network, and its stored outputs are those of today.

``PYTHONWARNINGS=ignore jupyter execute --inplace docs/demo.ipynb`` writes the outputs anew.
"""

import base64
import re

import cv2
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from mmseg_eff.hub.cache import VARIABLE
from mmseg_eff.hub.download import MIRROR

SHARE = re.compile(r'^(\w+) +([\d.]+)%$', re.M)  # class, per cent of the image
MOST_BYTES = 500_000


@pytest.fixture
def notebook(root):
    return nbformat.read(root / 'docs/demo.ipynb', as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == 'code']


def printed(notebook):
    """All text that the cells have printed."""
    return ''.join(out.get('text', '') for cell in code_cells(notebook) for out in cell.outputs)


def pictures(notebook):
    """The pictures that the cells have shown, BGR."""
    outputs = [output.get('data', {}) for cell in code_cells(notebook) for output in cell.outputs]
    files = [base64.b64decode(data['image/jpeg']) for data in outputs if 'image/jpeg' in data]
    return [cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR) for file in files]


def test_outputs_are_stored_and_small(notebook, root):
    nbformat.validate(notebook)
    assert (root / 'docs/demo.ipynb').stat().st_size < MOST_BYTES
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [out for out in outputs if out.output_type == 'error' or out.get('name') == 'stderr']
    photo, overlay, colorblind = pictures(notebook)
    assert overlay.shape == colorblind.shape and overlay.shape[0] > photo.shape[0] > 300
    for picture in (overlay, colorblind):  # the photo is seen through the colours
        assert np.corrcoef(picture[: len(photo)].ravel(), photo.ravel())[0, 1] > 0.5
    text = printed(notebook)
    assert '/home' not in text and '/tmp' not in text and '/work' not in text
    assert float(re.search(r'([\d.]+)% of the labels are equal', text)[1]) >= 99.99


@pytest.mark.slow
def test_it_runs_without_a_network(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(MIRROR, str(tmp_path / 'nothing here'))
    stored, shown = printed(notebook), pictures(notebook)
    resources = dict(metadata=dict(path=str(tmp_path)))
    NotebookClient(notebook, timeout=600, kernel_name='python3', resources=resources).execute()
    for picture, now in zip(shown, pictures(notebook), strict=True):
        assert np.abs(picture.astype(int) - now).mean() < 3
    before, after = (
        {name: float(share) for name, share in SHARE.findall(text)}
        for text in (stored, printed(notebook))
    )
    assert len(before) >= 5 and after == pytest.approx(before, abs=0.3)
