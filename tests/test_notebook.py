"""The notebook of docs/ runs from top to bottom, with the authors' files or ones like them."""

from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from official_file import write_official_file

from mmseg_eff.converters import save_checkpoint
from mmseg_eff.converters.espnetv2 import build_espnetv2


@pytest.fixture
def notebook(root):
    return nbformat.read(root / 'docs/demo.ipynb', as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == 'code']


def run(notebook: nbformat.NotebookNode, root: Path, files: Sequence[Path], image: str) -> str:
    """Execute with ``files`` in place of the authors' ones, and return the text it prints.

    Args:
        notebook: The notebook, changed in place.
        root: Folder above that of the notebook.
        files: What the networks' URLs become.
        image: What ``IMAGE`` becomes, as Python.
    """
    code_cells(notebook)[0].source += f"""
IMAGE = {image}
urls = {[file.as_uri() for file in files]}
NETWORKS = {{
    name: network._replace(url=url)
    for (name, network), url in zip(NETWORKS.items(), urls, strict=True)
}}"""
    (root / 'docs').mkdir()
    resources = dict(metadata=dict(path=str(root / 'docs')))
    NotebookClient(notebook, timeout=600, kernel_name='python3', resources=resources).execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert sum('image/png' in output.get('data', {}) for output in outputs) == 3
    return ''.join(output.get('text', '') for output in outputs)


def test_cells_are_python_without_outputs(notebook, root):
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    for cell in cells:
        compile(cell.source, cell.id, 'exec')
        assert not cell.outputs and cell.execution_count is None
    names = {}
    exec(cells[0].source, names)
    assert len(names['NETWORKS']) == 2
    for network in names['NETWORKS'].values():
        assert (root / 'configs' / network.config).is_file()


@pytest.mark.slow
def test_it_runs_with_files_like_the_authors(notebook, tmp_path):
    """One network is downloaded and converted, of the other there is a converted file."""
    official = write_official_file(tmp_path / 'remote/espnet.pth')
    model = dict(width_multiplier=2.0, num_classes=20, proj_channels=10)
    weights = dict(state_dict=build_espnetv2(model).state_dict(), meta=dict(model=model))
    save_checkpoint(weights, tmp_path / 'checkpoints/espnetv2_s2.0_cityscapes.pth')
    text = run(notebook, tmp_path, [official, tmp_path / 'not needed'], 'None')
    assert '% of the labels are equal' in text
    assert (tmp_path / 'checkpoints/espnet_p2q8_cityscapes.pth').is_file()


@pytest.mark.slow
def test_it_runs_with_the_authors_files(notebook, shared, tmp_path):
    folder = shared / 'checkpoints'
    files = [
        folder / 'espnet/espnet_p_2_q_8.pth',
        folder / 'espnetv2/espnetv2_s_2.0_city_1024x512.pth',
    ]
    image = next((shared / 'data/cityscapes_sample').glob('*.png'))
    text = run(notebook, tmp_path, [file.resolve() for file in files], repr(str(image)))
    assert '100.0000% of the labels are equal' in text
