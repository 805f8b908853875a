"""An exported folder: the network, its runtime and a report, all of it or nothing."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmseg.models import BaseSegmentor

from ..errors import InputError
from ..files import sha256_of
from . import runtime
from .convert import export_onnx, export_openvino
from .graph import SegmentationGraph

PACKAGES = ('mmseg_eff', 'torch', 'onnx', 'onnxruntime', 'openvino', 'nncf')


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``, which becomes ``path`` if the block succeeds.

    Raises:
        InputError: If ``path`` exists and is no earlier export; such a one is replaced.
    """
    if path.exists() and not (path / 'report.json').is_file():
        raise InputError(f'{path}: exists and is no earlier export; name a new folder')
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def versions() -> dict[str, str]:
    """Versions of the packages that make an export, where installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_report(folder: Path, report: dict) -> None:
    (folder / 'report.json').write_text(json.dumps(report, indent=1) + '\n')


def fill_folder(
    model: BaseSegmentor,
    graph: SegmentationGraph,
    backend: str,
    folder: Path,
    *,
    loading: dict | None = None,
) -> dict:
    """Fill a folder with an exported network and its runtime; returns the report.

    Args:
        model: The segmentor, with ``dataset_meta``.
        graph: Made of it.
        backend: Key of ``NEEDS``.
        folder: An empty folder.
        loading: How images are read, as arguments of mmcv's ``LoadImageFromFile``; ``None`` for
            a loader of the user's own.
    """
    report = dict(
        backend=backend,
        model='model.xml' if backend.startswith('openvino') else 'model.onnx',
        classes=model.dataset_meta['classes'],
        palette=model.dataset_meta['palette'],
        loading=loading,
        **graph.describe(),
    )
    export_onnx(graph, folder / 'model.onnx')
    if backend.startswith('openvino'):
        export_openvino(folder / 'model.onnx', folder / report['model'])
        (folder / 'model.onnx').unlink()
    shutil.copy(runtime.__file__, folder / 'runtime.py')
    write_report(folder, report)
    return report


def file_facts(folder: Path) -> dict[str, dict]:
    """Size and SHA-256 of the files in an exported folder, but for its report."""
    return {
        path.name: dict(bytes=path.stat().st_size, sha256=sha256_of(path))
        for path in sorted(folder.iterdir())
        if path.name != 'report.json'
    }
