"""Datasets whose labels are annotations of another tool, such as COCO's: convert and split them."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..label_formats import FORMATS, ConvertedLabels, convert, detect
from ..label_formats.coco import is_coco
from ..utils.file_limit import DEFAULT
from ..utils.image_io import IMAGE_SUFFIXES
from ..utils.json_files import read_json
from .layouts import Layout, Part
from .pairs import Suffixes
from .split_lists import NAMES, NO_SPLIT, SplitList, split_of

MOST_FILES = 50  # JSON files that are opened in search of COCO's
TRIED = 20  # names that must be in a folder of images
LABEL = '.png'


class Annotated(NamedTuple):
    """A dataset whose annotations were converted."""

    layout: Layout
    converted: ConvertedLabels


def convert_annotations(root: Path, out: Path, seed: int) -> Annotated:
    """Convert the annotations in a folder to label PNGs below ``out``.

    Args:
        root: Folder of the dataset.
        out: Folder for the labels.
        seed: Of the split, where the dataset has none.

    Raises:
        InputError: If there are none, they are damaged, or their images are not found.
    """
    files = find_coco(root)
    converted: dict[str, ConvertedLabels] = {}
    folders: dict[str, Path] = {}
    if files:
        for split, path in files.items():
            like = next((labels.metainfo_file for labels in converted.values()), None)
            converted[split] = convert(path, out / split, 'coco', classes=like)
            folders[split] = find_images(root, path.parent, split, converted[split])
        name = f'COCO annotations ({", ".join(path.name for path in files.values())})'
    else:
        format = detect_annotations(root)
        converted['all'] = convert(root, out / 'all', format)
        name = f'annotations of the format {format}'
        folders['all'] = find_images(root, root, 'all', converted['all'])
    return settle(name, root, converted, folders, seed)


def detect_annotations(root: Path) -> str:
    """Format of the annotations in a folder, of those that are no masks.

    Raises:
        InputError: If there are none.
    """
    try:
        format = detect(root)
        reason = '' if not FORMATS[format].is_masks else 'only images'
    except InputError as error:
        reason = str(error)
    if reason:
        raise InputError(
            f'{root}: no images with labels of equal names in folders such as images/ and labels/, '
            f'and no annotations ({reason})'
        )
    return format


def find_coco(root: Path) -> dict[str, Path]:
    """COCO's files by split, the training's first; the only one is ``all``."""
    found: dict[str, Path] = {}
    paths = sorted(root.rglob('*.json'), key=lambda path: ('instances' not in path.name, path))
    for path in paths[:MOST_FILES]:
        split = split_named(f'{path.parent.name}/{path.stem}')
        if split not in found and is_coco(read_json(path, object, DEFAULT)):
            found[split] = path
    if 'train' in found:
        return {split: found[split] for split in ('train', 'val') if split in found}
    return dict(list(found.items())[:1]) if found else {}


def split_named(text: str) -> str:
    """The split that a path names, ``all`` if none."""
    words = re.split('[^a-z]+', text.lower())
    return next((split for split, names in NAMES.items() if {*names} & {*words}), 'all')


def find_images(root: Path, near: Path, split: str, converted: ConvertedLabels) -> Path:
    """The folder below which the images of converted labels are.

    Args:
        root: Folder of the dataset.
        near: Folder of the annotations.
        split: Name of the split.
        converted: The labels.

    Raises:
        InputError: If none holds the first images.
    """
    below = [path for path in sorted(root.rglob('*')) if path.is_dir()]
    folders = sorted([root, *below], key=lambda path: (split not in path.name, path != near))
    names = converted.names[:TRIED]
    counts = {folder: sum(bool(suffix_of(folder, name)) for name in names) for folder in folders}
    best = max(counts, key=counts.__getitem__)
    if not counts[best]:
        raise InputError(f'{root}: holds no image {names[0]!r}, which the annotations name')
    return best


def suffix_of(folder: Path, name: str) -> str:
    """The suffix of an image in a folder; empty if it is not there."""
    for suffix in IMAGE_SUFFIXES:
        for spelled in (suffix, suffix.upper()):
            if (folder / f'{name}{spelled}').is_file():
                return spelled
    return ''


def settle(
    name: str,
    root: Path,
    converted: dict[str, ConvertedLabels],
    folders: dict[str, Path],
    seed: int,
) -> Annotated:
    """The layout of converted labels."""
    notes: list[str] = []
    suffixes = {
        split: {n: suffix_of(folders[split], n) for n in labels.names}
        for split, labels in converted.items()
    }
    counts = Counter(suffix for found in suffixes.values() for suffix in found.values())
    (usual, _), *_ = [item for item in counts.most_common() if item[0]]
    if left := sum(counts.values()) - counts[usual]:
        notes.append(f'{left} images that are missing or not {usual} are left out')
    parts = {}
    for split, labels in converted.items():
        notes += labels.notes
        names = [n for n in labels.names if suffixes[split][n] == usual]
        lists = {split: SplitList(names, labels.list_file if names == labels.names else None)}
        if split == 'all' or len(converted) == 1:
            lists, note = split_names(names, seed)
            notes.append(note)
        for part, listed in lists.items():
            parts[part] = Part(folders[split], labels.folder, listed, False)
    first = next(iter(converted.values()))
    return Annotated(Layout(name, root, Suffixes(usual, LABEL), parts, notes), first)


def split_names(names: Sequence[str], seed: int) -> tuple[dict[str, SplitList], str]:
    """A split by folders of the names such as ``train``, or a seeded one, with a note."""
    by_folder: dict[str, list[str]] = {}
    for name in names:
        by_folder.setdefault(split_named(name.partition('/')[0]), []).append(name)
    if {'train', 'val'} <= by_folder.keys():
        lists = {split: SplitList(by_folder[split], None) for split in ('train', 'val')}
        return lists, 'split by the folders of the images'
    return split_of(names, seed), NO_SPLIT.format(seed)
