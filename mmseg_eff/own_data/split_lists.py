"""Which images train and which validate: lists of a dataset, or a seeded split."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..label_formats.classes import read_lines

NAMES = {  # of a list or a folder, by split
    'train': ('train', 'training', 'trn'),
    'val': ('val', 'valid', 'validation', 'dev'),
}
FOLDERS = ('', 'splits', 'split', 'lists', 'ImageSets/Segmentation', 'ImageSets')
VAL_SHARE = 0.2
NO_SPLIT = 'no split was found: a fifth validates, drawn with seed {}'  # by split_of
LIST_MB = 64


class SplitList(NamedTuple):
    """The images of a split.

    Attributes:
        names: Of the images, without suffix.
        file: The list that holds just these lines; ``None`` where one must be written.
    """

    names: list[str]
    file: Path | None


def find_lists(root: Path, images: Path, names: Sequence[str]) -> tuple[dict[str, SplitList], str]:
    """The split that lists such as ``train.txt`` in a dataset give; empty without ``train.txt``.

    Where there is no list of the validation, the other images are in it.

    Args:
        root: Folder of the dataset.
        images: Folder of the images.
        names: Images with a label.

    Returns:
        The splits, and a note on lines that name no such image.

    Raises:
        InputError: If a list is no text, or names no image with a label.
    """
    folders = [*(root / folder for folder in FOLDERS), images]
    found: dict[str, SplitList] = {}
    known, unknown = frozenset(names), 0
    for split, titles in NAMES.items():
        paths = (folder / f'{title}.txt' for folder in folders for title in titles)
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            continue
        lines = [line.strip() for line in read_lines(path, LIST_MB) if line.strip()]
        listed = [name_in(line, known) for line in lines]
        kept = list(dict.fromkeys(name for name in listed if name is not None))
        if not kept:
            raise InputError(f'{path}: none of its {len(lines)} lines names an image with a label')
        unknown += listed.count(None)
        found[split] = SplitList(kept, path if kept == lines else None)
    if 'train' not in found:
        return {}, ''
    if 'val' not in found:
        rest = sorted(set(names) - set(found['train'].names))
        found = (
            split_of(found['train'].names) if not rest else found | {'val': SplitList(rest, None)}
        )
    note = f'{unknown} lines of the split lists name no image with a label' if unknown else ''
    return found, note


def name_in(line: str, names: frozenset[str]) -> str | None:
    """The name that a line of a list means: of an image, its path, or an image and its label."""
    for given in (line, line.split()[0].rstrip(',')):
        for path in (given, given.rpartition('.')[0]):
            parts = path.replace('\\', '/').strip('/').split('/')
            for first in range(len(parts)):
                if (name := '/'.join(parts[first:])) in names:
                    return name
    return None


def split_of(names: Sequence[str], seed: int = 0) -> dict[str, SplitList]:
    """A seeded split: a fifth of the images validates, at least one.

    Raises:
        InputError: If there are fewer than two images.
    """
    if len(names) < 2:
        raise InputError(f'{len(names)} image with a label; a split needs two or more')
    order = np.random.default_rng(seed).permutation(len(names))
    count = max(1, round(VAL_SHARE * len(names)))
    chosen = sorted(names)
    val, train = (sorted(chosen[i] for i in part) for part in (order[:count], order[count:]))
    return {'train': SplitList(train, None), 'val': SplitList(val, None)}
