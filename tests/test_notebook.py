"""The notebook of docs/ runs from top to bottom, with the authors' files or ones like them."""

from pathlib import Path

import nbformat
import pytest
from mmengine.config import Config
from mmseg.registry import MODELS
from nbclient import NotebookClient

from mmseg_eff.converters import save_checkpoint
from mmseg_eff.hub import published
from mmseg_eff.hub.cache import VARIABLE, converted_path
from mmseg_eff.hub.download import MIRROR


@pytest.fixture
def notebook(root):
    return nbformat.read(root / 'docs/demo.ipynb', as_version=4)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(MIRROR, str(tmp_path / 'nothing here'))


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == 'code']


def networks(notebook: nbformat.NotebookNode) -> list[str]:
    """Names of the weights in the first cell."""
    names = {}
    exec(code_cells(notebook)[0].source, names)
    return [*names['NETWORKS'].values()]


def run(notebook: nbformat.NotebookNode, folder: Path, image: str) -> str:
    """Execute the notebook, and return the text that it prints.

    Args:
        notebook: The notebook, changed in place.
        folder: Working directory.
        image: What ``IMAGE`` becomes, as Python.
    """
    code_cells(notebook)[0].source += f'\nIMAGE = {image}'
    resources = dict(metadata=dict(path=str(folder)))
    NotebookClient(notebook, timeout=600, kernel_name='python3', resources=resources).execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert sum('image/png' in output.get('data', {}) for output in outputs) == 3
    return ''.join(output.get('text', '') for output in outputs)


def test_cells_are_python_without_outputs(notebook, root):
    nbformat.validate(notebook)
    for cell in code_cells(notebook):
        compile(cell.source, cell.id, 'exec')
        assert not cell.outputs and cell.execution_count is None
    names = networks(notebook)
    assert len(names) == 2
    for name in names:
        assert (root / 'configs' / f'{published()[name].config}.py').is_file()


@pytest.mark.slow
def test_it_runs_with_weights_in_the_cache(notebook, root, tmp_path, cache):
    for name in networks(notebook):
        config = Config.fromfile(root / 'configs' / f'{published()[name].config}.py')
        state = MODELS.build(config.model).state_dict()
        save_checkpoint(dict(state_dict=state, meta={}), converted_path(name))
    assert '% of the labels are equal' in run(notebook, tmp_path, 'None')


@pytest.mark.slow
def test_it_runs_with_the_authors_files(notebook, shared, tmp_path, cache, monkeypatch):
    monkeypatch.setenv(MIRROR, str(shared / 'checkpoints'))
    image = next((shared / 'data/cityscapes_sample').glob('*.png'))
    text = run(notebook, tmp_path, repr(str(image)))
    assert '100.0000% of the labels are equal' in text
    assert all(converted_path(name).is_file() for name in networks(notebook))
