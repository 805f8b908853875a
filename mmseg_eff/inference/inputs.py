"""What prediction reads and writes: files, folders and globs, images, PNGs."""

import glob
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.dist import get_dist_info
from numpy.typing import NDArray

from ..datasets.wrappers import innermost_datasets
from ..errors import InputError
from ..utils.image_io import IMAGE_SUFFIXES

VIDEO_SUFFIXES = ('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm')
SUFFIXES = IMAGE_SUFFIXES + VIDEO_SUFFIXES
OUTPUTS = {'labels', 'overlays', 'confidence', 'report.json'}  # of predict.py and pseudo_label.py
SHOWN = 5  # names of skipped files

Draw = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]  # BGR, labels -> overlay


class Source(NamedTuple):
    path: Path
    name: str  # of the outputs, without suffix, relative to their folder

    @property
    def is_video(self) -> bool:
        return self.path.suffix.lower() in VIDEO_SUFFIXES


def collect_sources(inputs: Sequence[str], suffixes: Sequence[str] = SUFFIXES) -> list[Source]:
    """Images and videos named by files, folders (with all below them) and globs.

    Outputs keep the folders below an input folder. Two sources of one name keep their suffix in it.
    Folders are searched without hidden files and outputs of earlier runs (``visible_files``); files
    of another suffix are skipped, counted and named on stderr.

    Args:
        inputs: Files, folders and globs.
        suffixes: What is taken, in lower case.

    Raises:
        InputError: If an input does not exist or holds nothing to segment.
    """
    paths: dict[Path, Path] = {}  # source -> its path below the output folder
    others: list[Path] = []
    for given in inputs:
        root = Path(given)
        if root.is_dir():
            found = {path: path.relative_to(root) for path in visible_files(root)}
        elif root.is_file():
            found = {root: Path(root.name)}
        else:
            matches = sorted(map(Path, glob.glob(given)))
            found = {path: Path(path.name) for path in matches if path.is_file()}
            if not matches:
                raise InputError(f'{given}: no such file or folder, and no match as a glob')
        taken = {path: name for path, name in found.items() if path.suffix.lower() in suffixes}
        if not taken:
            raise InputError(
                f'{given}: holds no image or video; known suffixes are {" ".join(suffixes)}'
            )
        paths.update(taken)
        others += found.keys() - taken.keys()
    report_others(others)
    stems = Counter(name.with_suffix('') for name in paths.values())
    sources = []
    for path, name in paths.items():
        is_unique = stems[name.with_suffix('')] == 1
        sources.append(Source(path, str(name.with_suffix('') if is_unique else name)))
    clash = [
        name for name, count in Counter(source.name for source in sources).items() if count > 1
    ]
    if clash:
        raise InputError(f'{clash[0]}: two inputs have this name; give their common folder instead')
    return sources


def visible_files(folder: Path) -> Iterator[Path]:
    """Files below a folder, sorted, without hidden ones and the outputs of an earlier run.

    A folder with ``labels/`` and another of ``OUTPUTS`` is that of a run; those folders of it are
    skipped.
    """
    items = sorted(folder.iterdir())
    names = {item.name for item in items}
    outputs = OUTPUTS if 'labels' in names and len(names & OUTPUTS) > 1 else set()
    for item in items:
        if item.name.startswith('.'):
            continue
        if item.is_file():
            yield item
        elif item.is_dir() and not item.is_symlink() and item.name not in outputs:
            yield from visible_files(item)


def report_others(paths: Sequence[Path]) -> None:
    """Say on stderr which files were skipped for their suffix."""
    if paths and get_dist_info()[0] == 0:
        names = sorted(path.name for path in paths)
        shown = ', '.join(names[:SHOWN]) + (', …' if len(names) > SHOWN else '')
        print(f'skipped {len(names)} files of another suffix: {shown}', file=sys.stderr)


def own_share(sources: Sequence[Source]) -> list[tuple[int, Source]]:
    """This process's part of the sources of all processes, each with its index among them."""
    rank, processes = get_dist_info()
    return list(enumerate(sources))[rank::processes]


def suffixes_of(config: Config) -> tuple[str, ...]:
    """Suffixes of image files beside ``IMAGE_SUFFIXES``: those of the config's datasets."""
    found = set()
    for split in ('train', 'val', 'test'):
        dataset = (config.get(f'{split}_dataloader') or {}).get('dataset') or {}
        for leaf in innermost_datasets(dataset):
            suffix = Path('x' + str(leaf.get('img_suffix') or '')).suffix.lower()
            found |= {suffix} - {'', *SUFFIXES}
    return tuple(sorted(found))
