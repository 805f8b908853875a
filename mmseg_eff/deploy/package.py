"""Write an exported folder atomically: the network, its runtime and a report."""

import ctypes
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmseg.models import BaseSegmentor

from ..errors import InputError
from ..utils.atomic_io import is_other_process, lock, sha256_of
from .backends import backend_names, engine_file, find_backend
from .graph import SegmentationGraph
from .runtime_checks import REPORT, check_file, check_report, read_report
from .triton import PYTHON_MODEL, VERSION, WRITTEN

PACKAGES = ('mmseg_eff', 'torch', 'nncf')  # whose versions a report has, with those of a backend
ENGINE = 'engine.py'  # the backend's own file in an exported folder
MODULES = tuple(  # copied into the folder
    Path(__file__).with_name(f'{name}.py')
    for name in (
        'engines',
        'runtime',
        'runtime_checks',
        'runtime_images',
        'runtime_scores',
        'runtime_segmenter',
    )
)


def written() -> set[str]:
    """Names of all files that an export can write, with any backend."""
    names = {ENGINE, REPORT, *(module.name for module in MODULES)}
    for backend in map(find_backend, backend_names()):
        names.update(backend.FILES, getattr(backend, 'ADDED', ()))
        for precision in backend.PRECISIONS:
            names.update(f'{precision}{Path(file).suffix}' for file in backend.FILES)
    return {*names, *(f'{VERSION}/{name}' for name in names), *WRITTEN}


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``, which becomes ``path`` if the block succeeds.

    An earlier export there is replaced by renaming, so that a kill leaves it or the new one. Of a
    link, the folder that it points to is replaced.

    Raises:
        InputError: If ``path`` holds anything but an earlier export, or another process exports
            to it.
        OSError: If the disk is full or cannot be written; it names a file or the folder.
    """
    path = Path(os.path.realpath(path))
    check_replaceable(path)
    with lock(path.with_name(f'.{path.name}.lock'), str(path)):
        remove_leftovers(path)
        temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
        temporary.mkdir()
        try:
            yield temporary
            check_replaceable(path)  # what came during the export
            replace(path, temporary)
        except OSError as error:
            if error.errno and not error.filename:  # as writing to an open file
                error.filename = str(path)
            raise
        finally:
            remove_export(temporary)


def check_replaceable(path: Path) -> None:
    """Refuse a folder, or what else has its name, unless it is empty or nothing but an export."""
    if not os.path.lexists(path):
        return
    advice = 'name a new folder'
    if not path.is_dir() or path.is_symlink() or path.is_mount():
        raise InputError(f'{path}: is no folder that can be replaced; {advice}')
    entries = content(path)
    if not entries:
        return
    if REPORT not in entries:
        first = next(iter(entries.values()))
        raise InputError(f'{first}: would be deleted, and is no earlier export; {advice}')
    try:
        files = read_report(path / REPORT)['files']
        for name in files.keys() & entries.keys():
            check_file(path, name, files[name])
    except ValueError as error:
        raise InputError(f'{error}; {advice}') from error
    ours = written() & {*files, REPORT}
    for name, entry in entries.items():
        if name not in ours:
            raise InputError(f'{entry}: would be deleted, and is not of the export; {advice}')


def content(folder: Path) -> dict[str, Path]:
    """All files, links and empty folders in a folder by their names, without Python's cache."""
    found = {}
    for entry in sorted(folder.iterdir()):
        if is_cache(entry):
            continue
        is_folder = entry.is_dir() and not entry.is_symlink()
        below = content(entry) if is_folder else {}
        found.update({f'{entry.name}/{name}': path for name, path in below.items()})
        if not below:
            found[entry.name] = entry
    return found


def is_cache(path: Path) -> bool:
    """Whether a path is what Python keeps of the folder's modules, and nothing else."""
    stems = '|'.join(module.stem for module in (*MODULES, Path(ENGINE), Path(PYTHON_MODEL)))
    pattern = re.compile(rf'({stems})\.[\w-]+(\.opt-\d)?\.pyc')
    is_folder = path.name == '__pycache__' and path.is_dir() and not path.is_symlink()
    return is_folder and all(
        pattern.fullmatch(entry.name) and entry.is_file() for entry in path.iterdir()
    )


def replace(path: Path, new: Path) -> None:
    """Rename a folder to ``path``, and remove the earlier export there."""
    if not path.exists():
        new.rename(path)
    elif exchange(new, path):
        remove_export(new)
    else:  # in two steps, which a kill can separate; see remove_leftovers
        old = path.with_name(f'.{path.name}.old.{os.getpid()}.tmp')
        path.rename(old)
        try:
            new.rename(path)
        except BaseException:
            old.rename(path)
            raise
        remove_export(old)


def exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step, where the system can."""
    if sys.platform != 'linux':
        return False
    rename = getattr(ctypes.CDLL(None), 'renameat2', None)
    here, flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename is not None and not rename(
        here, os.fsencode(first), here, os.fsencode(second), flag
    )


def remove_export(folder: Path) -> None:
    """Remove what an export writes, and the folder if nothing else is in it."""
    with suppress(OSError):  # what cannot go now may go with the next export
        names = [folder / name for name in written()]
        folders = {folder, *(parent for name in names for parent in name.parents)}
        for cache in (path for path in folder.rglob('__pycache__') if is_cache(path)):
            names += cache.iterdir()
            folders.add(cache)
        for path in names:
            path.unlink(missing_ok=True)
        for path in sorted(folders, key=lambda path: -len(path.parts)):
            if path.is_relative_to(folder) and path.is_dir():
                path.rmdir()


def remove_leftovers(path: Path) -> None:
    """Remove what killed exports to ``path`` left beside it.

    An earlier export that a kill between two renamings left under another name gets its own back.
    """
    pattern = re.compile(rf'\.{re.escape(path.name)}(\.old)?\.(\d+)\.tmp')
    for entry in list(path.parent.iterdir()):
        match = pattern.fullmatch(entry.name)
        if not match or not entry.is_dir() or entry.is_symlink():
            continue
        if is_other_process(int(match[2])):
            continue
        if match[1] and not path.exists():
            entry.rename(path)
        else:
            remove_export(entry)


def versions(backend: str) -> dict[str, str]:
    """Versions of the packages that make an export for a backend, where installed."""
    found = {}
    for package in (*PACKAGES, *find_backend(backend).NEEDS):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_report(folder: Path, report: dict) -> dict:
    """Write a report, with the size and the SHA-256 of each other file in the folder.

    Returns:
        The content of the file.
    """
    text = json.dumps({**report, 'files': file_facts(folder)}, indent=1)
    (folder / REPORT).write_text(text + '\n')
    return json.loads(text)


def fill_folder(
    model: BaseSegmentor,
    graph: SegmentationGraph,
    backend: str,
    folder: Path,
    *,
    loading: dict | None = None,
) -> dict:
    """Fill a folder with an exported network and its runtime, without a report.

    Args:
        model: The segmentor, with ``dataset_meta``.
        graph: Made of it.
        backend: Name of a backend.
        folder: An empty folder.
        loading: How images are read, as arguments of mmcv's ``LoadImageFromFile``; ``None`` for
            a loader of the user's own.

    Returns:
        What the report says of the network, checked as the runtime will.

    Raises:
        InputError: If the network cannot be exported, or the runtime would refuse its report.
    """
    module = find_backend(backend)
    module.convert(graph, folder)
    for file in MODULES:
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / ENGINE).write_bytes(engine_file(backend).read_bytes())
    facts = dict(
        backend=backend,
        model=module.MODEL,
        classes=model.dataset_meta['classes'],
        palette=model.dataset_meta['palette'],
        loading=loading,
        **graph.describe(),
        files=file_facts(folder),
    )
    try:
        return check_report(json.loads(json.dumps(facts)), 'this network cannot be exported')
    except ValueError as error:
        raise InputError(str(error)) from error


def file_facts(folder: Path) -> dict[str, dict]:
    """Size and SHA-256 of the files in an exported folder, but for its report."""
    return {
        name: dict(bytes=path.stat().st_size, sha256=sha256_of(path))
        for name, path in content(folder).items()
        if name != REPORT
    }
