"""Find the images and label files of a dataset in the layouts that tools and benchmarks use."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .pairs import Suffixes, pair_files
from .split_lists import NAMES, NO_SPLIT, SplitList, find_lists, split_of

IMAGES = ('images', 'image', 'imgs', 'img', 'jpegimages', 'leftimg8bit', 'rgb', 'photos', 'input')
LABELS = (
    *('labels', 'label', 'masks', 'mask', 'annotations', 'annotation', 'segmentationclass'),
    *('segmentationclassaug', 'gtfine', 'gt', 'groundtruth', 'ground_truth', 'segmentation'),
    *('segmentations', 'segmaps', 'semantic', 'target', 'targets'),
)
BESIDE = ('annot', '_labels', '_masks', '_mask', '_label', '_gt', 'labels', 'masks')  # train…
DEEPEST = 3  # folders of one folder that are entered
KNOWN = {'jpegimages': 'VOC', 'leftimg8bit': 'Cityscapes'}


class Part(NamedTuple):
    """A split of a dataset.

    Attributes:
        images: Folder of its images.
        labels: Folder of its label files.
        listed: Its names; ``is_whole`` if they are all images of the folder.
        is_whole: Whether the folder needs no list.
    """

    images: Path
    labels: Path
    listed: SplitList
    is_whole: bool


@dataclass(frozen=True)
class Layout:
    """Where a dataset keeps its images and labels.

    Attributes:
        name: In words.
        root: Folder that holds both.
        suffixes: Of the files.
        parts: The splits, ``train`` and ``val``.
        notes: What was left out or decided.
    """

    name: str
    root: Path
    suffixes: Suffixes
    parts: dict[str, Part]
    notes: list[str] = field(default_factory=list)


def enter(root: Path) -> Path:
    """The folder that holds more than one folder, as ``VOC2012`` in ``VOCdevkit``."""
    for _ in range(DEEPEST):
        inside = [path for path in root.iterdir() if not path.name.startswith('.')]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].name.lower() in IMAGES:
            break
        root = inside[0]
    return root


def find_layout(root: Path, seed: int = 0) -> Layout | None:
    """The layout of a dataset whose labels are image files; ``None`` if it is none of these.

    In turn: split folders in folders of images and labels, the reverse, split folders of images
    beside those of labels, one folder of each, and one folder of both.

    Args:
        root: Folder of the dataset.
        seed: Of the split, where the dataset has none.

    Raises:
        InputError: If a list of a split is damaged, or there are too few images for a split.
    """
    for name, folders in candidates(root):
        images, labels = folders.get('train') or folders['all']
        paired = pair_files(images, labels)
        if paired is None:
            continue
        if 'val' in folders and pair_files(*folders['val'], paired.suffixes) is None:
            folders = {'all': (images, labels)}
        return settle(name, root, folders, paired.suffixes, seed)
    return None


def settle(
    name: str, root: Path, folders: dict[str, tuple[Path, Path]], suffixes: Suffixes, seed: int
) -> Layout:
    """The layout of folders that hold pairs."""
    parts, notes = {}, []
    for split, (images, labels) in folders.items():
        paired = pair_files(images, labels, suffixes)
        assert paired is not None
        if paired.unlabelled:
            notes.append(
                f'{images}: {len(paired.unlabelled)} images without a label *{suffixes.label} are '
                f'left out, such as {paired.unlabelled[0]}'
            )
        if split != 'all':
            listed = SplitList(paired.names, None)
            parts[split] = Part(images, labels, listed, not paired.unlabelled)
            continue
        lists, note = find_lists(root, images, paired.names)
        notes += [note] if note else []
        if not lists:
            lists = split_of(paired.names, seed)
            notes.append(NO_SPLIT.format(seed))
        for part, listed in lists.items():
            parts[part] = Part(images, labels, listed, False)
    return Layout(name, root, suffixes, parts, notes)


def candidates(root: Path) -> Iterator[tuple[str, dict[str, tuple[Path, Path]]]]:
    """Names of layouts with the folders of images and labels, by split or as ``all``."""
    images, labels = children(root, IMAGES), children(root, LABELS)
    for image in images:
        known = KNOWN.get(image.name.lower())
        for label in labels:
            pairs = by_split(splits_in(image), splits_in(label))
            if pairs:
                yield known or 'split folders', pairs
    splits = splits_in(root)
    inner = {
        split: (of_images[0], of_labels[0])
        for split, folder in splits.items()
        if (of_images := children(folder, IMAGES)) and (of_labels := children(folder, LABELS))
    }
    if 'train' in inner:
        yield 'images and labels in split folders', whole(inner)
    beside = {
        split: (folder, of_labels[0])
        for split, folder in splits.items()
        if (of_labels := children(root, [f'{folder.name.lower()}{end}' for end in BESIDE]))
    }
    if 'train' in beside:
        yield 'split folders beside each other', whole(beside)
    if 'train' in splits:
        yield 'split folders of images and labels', whole({s: (f, f) for s, f in splits.items()})
    for image in images:
        known = KNOWN.get(image.name.lower())
        for label in labels:
            yield known or 'a folder of images, a folder of labels', {'all': (image, label)}
    yield 'one folder', {'all': (root, root)}


def whole(pairs: dict[str, tuple[Path, Path]]) -> dict[str, tuple[Path, Path]]:
    """The splits as they are, or the training alone as ``all`` where no other validates."""
    return pairs if 'val' in pairs else {'all': pairs['train']}


def by_split(images: dict[str, Path], labels: dict[str, Path]) -> dict[str, tuple[Path, Path]]:
    """The splits that both have; empty without one of the training."""
    pairs = {split: (images[split], labels[split]) for split in images if split in labels}
    return whole(pairs) if 'train' in pairs else {}


def children(folder: Path, names: tuple[str, ...] | list[str]) -> list[Path]:
    """The folders in a folder that have one of the names, in their order; case does not matter."""
    inside = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    return [inside[name] for name in names if name in inside]


def splits_in(folder: Path) -> dict[str, Path]:
    """The folders of splits in a folder."""
    found = {split: children(folder, names) for split, names in NAMES.items()}
    return {split: folders[0] for split, folders in found.items() if folders}
