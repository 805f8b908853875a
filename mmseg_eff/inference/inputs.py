"""Find the images and videos that paths, folders and globs name."""

import glob
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.dist import get_dist_info
from numpy.typing import NDArray

from ..datasets.wrappers import innermost_datasets
from ..errors import InputError
from ..utils.image_io import IMAGE_SUFFIXES
from .region_readers import REGION_SUFFIXES
from .streams import StreamSource, stream_of

VIDEO_SUFFIXES = ('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm')
SUFFIXES = IMAGE_SUFFIXES + VIDEO_SUFFIXES
OUTPUTS = {'labels', 'overlays', 'confidence', 'report.json'}  # of predict.py and pseudo_label.py
MAX_NAMED = 5  # skipped files that are named on stderr

Input = str | Path | NDArray[np.uint8]  # file, folder, glob, camera or URL, or BGR (H, W, 3)


class Source(NamedTuple):
    """An image or a video.

    Attributes:
        path: Its file.
        name: Path of the outputs below their folder, without suffix.
    """

    path: Path
    name: str

    @property
    def origin(self) -> Path:
        """The file, as ``StreamSource.origin`` is the camera."""
        return self.path

    @property
    def is_video(self) -> bool:
        """Whether the suffix is a video's."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES

    @property
    def overlay(self) -> str:
        """Path of the overlay below the output folder."""
        return f'overlays/{self.name}{".mp4" if self.is_video else ".png"}'


class ArraySource(NamedTuple):
    """An image in memory.

    Attributes:
        image: BGR (H, W, 3), uint8.
        name: Name of the outputs, without suffix: ``array_000000``, numbered in the order given.
    """

    image: NDArray[np.uint8]
    name: str


def read_inputs(
    inputs: Input | Iterable[Input], suffixes: Sequence[str] = SUFFIXES
) -> Iterator[Source | ArraySource | StreamSource]:
    """Sources of paths, folders, globs, arrays, cameras and streams, in the order given.

    Args:
        inputs: One input or several; an iterator is consumed as the sources are, but for paths
            that follow each other, which are collected together (see ``collect_sources``).
        suffixes: Suffixes of the files to take, in lower case.

    Raises:
        InputError: If an input is neither a path nor an array, or two inputs have the same name.
            See also ``collect_sources`` and ``stream_of``.
    """
    given: Any = [inputs] if isinstance(inputs, str | Path | np.ndarray) else inputs
    if not isinstance(given, Iterable):
        raise InputError(f'an input must be a path or an array, got {type(given).__name__}')
    num_arrays = 0
    names: set[str] = set()
    for kind, group in groupby(given, kind_of):
        if kind is np.ndarray:
            for image in group:
                yield ArraySource(image, f'array_{num_arrays:06d}')
                num_arrays += 1
            continue
        items = [*group]
        found: list[Source | StreamSource] = []
        if kind is StreamSource:
            found += [stream for stream in map(stream_of, items) if stream]
        else:
            found += collect_sources(items, suffixes)
        for source in found:
            if source.name in names:
                raise InputError(f'{source.origin}: another input has the name {source.name}, too')
            names.add(source.name)
            yield source


def kind_of(given: object) -> type:
    """What an input is: an array, a stream (see ``stream_of``), or a path by default."""
    if isinstance(given, np.ndarray):
        return np.ndarray
    return StreamSource if stream_of(given) else Path


def collect_sources(
    inputs: Iterable[str | Path], suffixes: Sequence[str] = SUFFIXES
) -> list[Source]:
    """Images and videos named by files, folders (searched recursively) and globs.

    Outputs keep the folders below an input folder. Two sources of the same name keep their suffix
    in it. Hidden files and the outputs of earlier runs are skipped (see ``visible_files``). Files
    with another suffix are skipped, and counted and named on stderr.

    Args:
        inputs: Files, folders and globs.
        suffixes: Suffixes of the files to take, in lower case.

    Returns:
        Each file once, in the order of the inputs; those of a folder or glob sorted.

    Raises:
        InputError: If an input is no path, does not exist or holds no such file, or two files
            would have the same outputs.
    """
    paths: dict[Path, Path] = {}  # source -> its path below the output folder
    others: list[Path] = []
    for given in inputs:
        if not isinstance(given, str | Path):
            raise InputError(f'an input must be a path or an array, got {type(given).__name__}')
        root = Path(given)
        if root.is_dir():
            found = {path: path.relative_to(root) for path in visible_files(root)}
        elif root.is_file():
            found = {root: Path(root.name)}
        else:
            matches = sorted(map(Path, glob.glob(str(given))))
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


def is_input(word: str) -> bool:
    """Whether a word names images or videos, and not a config or a checkpoint."""
    is_many = Path(word).is_dir() or any(mark in word for mark in '*?')
    return (
        is_many or bool(stream_of(word)) or word.lower().endswith(REGION_SUFFIXES + VIDEO_SUFFIXES)
    )


def visible_files(folder: Path) -> Iterator[Path]:
    """Files below a folder, sorted, without hidden files and the outputs of an earlier run.

    A folder that holds ``labels`` and another name of ``OUTPUTS`` is taken for the output folder of
    a run: what has such a name in it is skipped.
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
    """Count and name on stderr the files that were skipped for their suffix."""
    if paths and get_dist_info()[0] == 0:
        names = sorted(path.name for path in paths)
        shown = ', '.join(names[:MAX_NAMED]) + (', …' if len(names) > MAX_NAMED else '')
        print(f'skipped {len(names)} files of another suffix: {shown}', file=sys.stderr)


def own_share(sources: Sequence[Source]) -> list[tuple[int, Source]]:
    """Sources that this process of several has to do, each with its index among all."""
    rank, processes = get_dist_info()
    return list(enumerate(sources))[rank::processes]


def suffixes_of(config: Config) -> tuple[str, ...]:
    """Suffixes of image files in a config's datasets that ``SUFFIXES`` lacks."""
    found: set[str] = set()
    for split in ('train', 'val', 'test'):
        dataset = (config.get(f'{split}_dataloader') or {}).get('dataset') or {}
        for dataset_config in innermost_datasets(dataset):
            suffix = Path('x' + str(dataset_config.get('img_suffix') or '')).suffix.lower()
            found |= {suffix} - {'', *SUFFIXES}
    return tuple(sorted(found))
