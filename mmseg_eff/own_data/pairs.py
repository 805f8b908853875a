"""Pair the images and label files of two folders, or of one, by the suffixes of their names."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ..label_formats.image_files import visible_files
from ..utils.image_io import IMAGE_SUFFIXES

IMAGE_TAGS = ('', '_leftImg8bit', '_image', '_img', '_rgb', '-image', '.image')  # before the suffix
SEPARATORS = '._-'
NO_LABELS = ('color', 'instance', 'disparity', 'depth', 'overlay', 'polygon')
LOSSLESS = ('.png', '.bmp', '.tif', '.tiff')
LEAST_SHARE = 0.3  # of the files of one folder that must be images with a label


class Suffixes(NamedTuple):
    """What follows the name of an image and of its label, such as ``.jpg`` and ``_mask.png``."""

    image: str
    label: str


class Pairing(NamedTuple):
    """Images and labels of equal names.

    Attributes:
        suffixes: Of the files.
        names: Of the pairs, with folders, sorted.
        unlabelled: Images without a label.
    """

    suffixes: Suffixes
    names: list[str]
    unlabelled: list[str]


def list_images(folder: Path) -> list[str]:
    """Paths of the image files below a folder, sorted; hidden ones are left out."""
    files = visible_files(folder, IMAGE_SUFFIXES)
    return sorted(path.relative_to(folder).as_posix() for path in files)


def pair_files(images: Path, labels: Path, suffixes: Suffixes | None = None) -> Pairing | None:
    """Pair the files of two folders; ``None`` if they hold no pair.

    Args:
        images: Folder of the images, which may have folders of its own.
        labels: Folder of the labels, alike; may be the same.
        suffixes: Those of another split; without, those that most pairs have.
    """
    of_images, of_labels = list_images(images), list_images(labels)
    if suffixes is None:
        suffixes = find_suffixes(of_images, of_labels, is_one=images == labels)
    if suffixes is None:
        return None
    known = set(of_labels)
    named = [name for name in of_images if name.endswith(suffixes.image)]
    names, unlabelled = [], []
    for image in named:
        name = image[: -len(suffixes.image)]
        if name + suffixes.label in known:
            names.append(name)
        elif images != labels:  # else it may be a label
            unlabelled.append(image)
    if images != labels:
        unlabelled += sorted(set(of_images) - set(named))
    return Pairing(suffixes, names, unlabelled) if names else None


def find_suffixes(
    images: Sequence[str], labels: Sequence[str], *, is_one: bool = False
) -> Suffixes | None:
    """The suffixes that make most pairs, ``None`` if there are none.

    Args:
        images: Paths below the folder of the images.
        labels: Paths below the folder of the labels, sorted.
        is_one: Whether both lists are of the same folder.
    """
    votes: Counter[Suffixes] = Counter()
    for image in images:
        stem, dot, extension = image.rpartition('.')
        for tag in IMAGE_TAGS:
            if not stem.endswith(tag):
                continue
            name, suffix = stem.removesuffix(tag), f'{tag}{dot}{extension}'
            for label in islice(labels, bisect_left(labels, name), None):
                if not label.startswith(name):
                    break  # the sorted names of this beginning end here
                rest = label[len(name) :]
                is_other = not (is_one and rest == suffix)
                if rest[:1] in SEPARATORS and '/' not in rest and is_other:
                    votes[Suffixes(suffix, rest)] += 1
    if not votes:
        return None
    best = max(
        votes, key=lambda suffixes: (votes[suffixes] * (rank(suffixes) >= 0), rank(suffixes))
    )
    if is_one and votes[best] < LEAST_SHARE * len(images):
        return None
    return best


def rank(suffixes: Suffixes) -> int:
    """Which of several label files of an image is the one to train on: the highest."""
    label = suffixes.label.lower()
    if any(word in label for word in NO_LABELS):
        return -1
    value = 4 * ('trainid' in label) + 2 * ('labelid' in label)
    return value + label.endswith(LOSSLESS)
