"""Read grey masks of any values, such as 0 and 255, or with gaps between the classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from ..errors import InputError
from ..utils.printing import console
from .classes import IGNORED, Classes, ClassList, check_count, class_list
from .image_files import decode, find_images, open_image
from .masks import LOSSY, NO_LABEL, mask_source, table_classes
from .source import LabelMap, LabelSource, listed, naming
from .tables import read_value_table

GREY_MODES = ('1', 'L', 'P', 'I', 'I;16', 'I;16B', 'LA')
NUM_VALUES = 1 << 16
MOST_TINT = 16  # difference of the channels that a lossy format leaves in grey
MOST_BETWEEN = 0.05  # share of a lossy mask's pixels that are far from 0 and 255


def read_values(
    source: Path,
    classes: Classes | None = None,
    values: str | Path | Mapping[int, str] | None = None,
    ending: str = '',
) -> LabelSource:
    """Labels of grey or palette masks of any values, such as 0 and 255, or with gaps.

    Without a table, the values found in all masks become 0, 1, … in their order. 255 stays ignored,
    unless 0 and 255 are the only two, as in masks of one kind of object.

    Args:
        source: Folder of the masks, of 8 or 16 bits.
        classes: Names of the values, in their order, see ``class_list``.
        values: Name of the class of each value, or the file of a table, see ``read_value_table``;
            needed for lossy files (JPEG) of other values than 0 and 255, where each pixel gets
            the nearest.
        ending: Of the names of the masks, see ``find_images``.

    Raises:
        InputError: If a file is damaged, a colour mask, or holds a value that the table lacks.
    """
    paths = find_images(source, ending)
    if values is None:
        found = find_values(paths)
        with naming(source):
            names, labels = numbered(found, None if classes is None else class_list(classes))
    else:
        names, labels = table_classes(read_value_table(values), classes)
        labels.setdefault(IGNORED, IGNORED)
    table = np.full(NUM_VALUES, NO_LABEL, np.uint16)
    for value, label in labels.items():
        table[value] = label

    def draw(path: Path) -> LabelMap:
        pixels, is_lossy = read_grey(path)
        if is_lossy:
            # without the 255 that the table does not name: bright pixels are of the nearest class
            known = {v: n for v, n in labels.items() if v != IGNORED or n != IGNORED}
            levels = np.arange(256)[:, None]
            limit = np.array([*known])[:, None]
            label = np.abs(levels - limit.T).argmin(1)
            return np.array([*known.values()], np.uint8)[label][pixels]
        result = table[pixels]
        unknown = np.unique(pixels[result == NO_LABEL]).tolist()
        if unknown:
            raise InputError(f'value {listed(unknown)}; the table has {listed([*labels])}')
        return result.astype(np.uint8)

    palette = class_list(list(names)).palette
    return mask_source(source, names, palette, draw, paths)


def read_grey(path: Path) -> tuple[NDArray[np.uint16], bool]:
    """Values (H, W) of a mask, and whether its format changes values."""
    with naming(path), open_image(path) as image:
        mode, is_lossy = image.mode, image.format in LOSSY
        if mode in ('RGB', 'RGBA'):  # grey, saved as colour
            pixels = decode(image)[..., :3].astype(np.int16)
            if np.ptp(pixels, axis=-1).max() > (MOST_TINT if is_lossy else 0):
                raise InputError('is a colour mask; convert it by a table of colours')
            pixels = pixels[..., 1]
        elif mode in GREY_MODES:
            pixels = decode(image, 'L' if mode == 'LA' else None)
        else:
            raise InputError(f'pixel format {mode!r}; expected one value a pixel')
        if pixels.min() < 0 or pixels.max() >= NUM_VALUES:
            raise InputError(f'value {pixels.max()}; expected 0 to {NUM_VALUES - 1}')
        return pixels.astype(np.uint16), is_lossy


def find_values(paths: Sequence[Path]) -> list[int]:
    """The values of all masks; of lossy ones 0 and 255, around which theirs must be."""
    counts = np.zeros(NUM_VALUES, bool)
    for path in track(paths, 'finding the values', console=console(stderr=True)):
        pixels, is_lossy = read_grey(path)
        if is_lossy:
            between = ((pixels > 32) & (pixels < 223)).mean()
            if between > MOST_BETWEEN:
                raise InputError(
                    f'{path}: a lossy format changed its values, {between:.0%} are between 0 and '
                    '255; name the values in a table'
                )
            counts[[0, IGNORED]] = True
        else:
            counts |= np.bincount(pixels.ravel(), minlength=NUM_VALUES).astype(bool)
    return np.flatnonzero(counts).tolist()


def numbered(
    found: Sequence[int], chosen: ClassList | None
) -> tuple[tuple[str, ...], dict[int, int]]:
    """Names of the labels, and the label of each value found, in its order."""
    kept = list(found) if list(found) == [0, IGNORED] else [v for v in found if v != IGNORED]
    if len(kept) < 2:
        raise InputError(f'holds only the value {listed(found)}; labels need two classes')
    check_count(len(kept))
    if chosen is not None and len(chosen.names) != len(kept):
        raise InputError(
            f'{len(chosen.names)} classes for {len(kept)} values: {listed(kept)}; name the value '
            'of each in a table'
        )
    names = ['background' if value == 0 else f'value_{value}' for value in kept]
    if kept in ([0, 1], [0, IGNORED]):
        names = ['background', 'foreground']
    labels = {IGNORED: IGNORED} | {value: label for label, value in enumerate(kept)}
    return tuple(names) if chosen is None else chosen.names, labels
