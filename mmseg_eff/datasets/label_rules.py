"""Rules for label files: one 8-bit value a pixel, a class index or the ignored label."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mmengine.dataset import BaseDataset
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError

INDEX_MODES = ('1', 'L', 'P')  # Pillow's modes of one 8-bit value (or less) a pixel
DROPPED = 255  # what mmseg's datasets write for "no class", whatever their ignore_index
MAX_LABELS = 256  # of 8 bits


class LabelRules(NamedTuple):
    """How a dataset reads its label files."""

    num_classes: int
    ignore_index: int
    reduce_zero_label: bool
    table: NDArray[np.uint8]  # (256,), the label of each value in a file
    palette: list[tuple[int, int, int]]  # RGB of each class

    @classmethod
    def of(cls, dataset: BaseDataset) -> 'LabelRules':
        """Rules of a ``BaseSegDataset``.

        Raises:
            InputError: If its ignored label or its classes do not fit into 8 bits; see also
                ``class_names``.
        """
        names, ignored = class_names(dataset), dataset.ignore_index
        if ignored not in range(MAX_LABELS):
            raise InputError(
                f'{type(dataset).__name__}: ignore_index must be a label of 8 bits, 0 to '
                f'{MAX_LABELS - 1}, got {ignored!r}'
            )
        if len(names) > MAX_LABELS or ignored == len(names) - 1 == DROPPED:
            raise InputError(
                f'{type(dataset).__name__}: has {len(names)} classes; label files are of 8 bits, '
                f'which is at most {MAX_LABELS - 1} classes and an ignored label'
            )
        return cls(
            len(names),
            ignored,
            dataset.reduce_zero_label,
            label_table(dataset.label_map, dataset.reduce_zero_label, ignored),
            check_palette(dataset.metainfo['palette'], type(dataset).__name__),
        )

    def count_labels(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Pixels of each label (256,) from those of each value in the file (256,)."""
        return np.bincount(self.table, weights=values, minlength=256).astype(np.int64)

    def count_classes(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Pixels of each class (C,) from those of each value in the file (256,).

        A class whose index is the ignored label has none.
        """
        pixels = self.count_labels(values)
        pixels[self.ignore_index] = 0
        return pixels[: self.num_classes]

    def is_same_reading(self, other: 'LabelRules') -> bool:
        """Whether another dataset reads the same values as the same labels."""
        return self.num_classes == other.num_classes and np.array_equal(self.table, other.table)


def class_names(dataset: BaseDataset) -> list[str]:
    """The class names of a dataset.

    Raises:
        InputError: If it has none, or the file that should list them does not exist or has a blank
            line.
    """
    names, where = dataset.metainfo.get('classes'), type(dataset).__name__
    if isinstance(names, str):  # mmengine keeps the path of a file that it cannot find
        raise InputError(f'{names}: no such file, wanted by {where} as metainfo.classes')
    if not names:
        raise InputError(f"{where}: names no classes; set metainfo=dict(classes=('…', '…'))")
    for index, name in enumerate(names):
        if not str(name).strip():
            raise InputError(f'{where}: class {index} of metainfo.classes has a blank name')
        if not str(name).isprintable():
            raise InputError(f'{where}: class {index} has the unprintable name {name!r}')
    return list(names)


def check_palette(palette: Sequence[Sequence[int]], where: str) -> list[tuple[int, int, int]]:
    """The RGB colours of a palette.

    Raises:
        InputError: If it is no list of three whole numbers of 0 to 255 each.
    """
    if not isinstance(palette, Sequence | np.ndarray) or isinstance(palette, str):
        raise InputError(f'{where}: palette must be a list of colours, got {palette!r}')
    colors: list[tuple[int, int, int]] = []
    for index, color in enumerate(palette):
        values = list(color) if isinstance(color, Sequence | np.ndarray) else []
        if len(values) != 3 or not all(is_byte(value) for value in values):
            raise InputError(
                f'{where}: palette has the colour {color!r} for class {index}; expected three '
                'whole numbers of 0 to 255'
            )
        red, green, blue = map(int, values)
        colors.append((red, green, blue))
    return colors


def is_byte(value: object) -> bool:
    """Whether a value is a whole number of 0 to 255."""
    return isinstance(value, int | np.integer) and bool(0 <= value <= 255)


def settled_label_map(
    label_map: dict[int, int] | None, reduce_zero_label: bool, ignore_index: int
) -> dict[int, int] | None:
    """A dataset's ``label_map`` with its own ignored label in place of mmseg's fixed 255.

    Args:
        label_map: Label after ``reduce_zero_label`` to new label; ``None`` changes nothing.
        reduce_zero_label: Makes 255 of 0, and leaves 255.
        ignore_index: Label of the ignored pixels.
    """
    if ignore_index == DROPPED or not (label_map or reduce_zero_label):
        return label_map
    settled = {
        old: ignore_index if new == DROPPED else new for old, new in (label_map or {}).items()
    }
    if reduce_zero_label:
        settled.setdefault(DROPPED, ignore_index)
    return settled


def label_table(
    label_map: dict[int, int] | None, reduce_zero_label: bool, ignore_index: int = DROPPED
) -> NDArray[np.uint8]:
    """The label (256,) that ``LoadCheckedAnnotations`` makes of each value in a file."""
    reduced = np.arange(256, dtype=np.uint8)
    if reduce_zero_label:
        reduced = np.array([255, *range(254), 255], np.uint8)
    table = reduced.copy()
    settled = settled_label_map(label_map, reduce_zero_label, ignore_index)
    for old, new in (settled or {}).items():
        table[reduced == old] = new
    return table


def format_fault(mode: str) -> str | None:
    """Why a label file of a Pillow mode cannot be read as class indices; ``None`` if it can."""
    if mode in INDEX_MODES:
        return None
    return (
        f'label file of pixel format {mode!r}; expected one 8-bit class index a pixel '
        f'({", ".join(INDEX_MODES)})'
    )


def size_fault(label_size: tuple[int, ...], image_size: tuple[int, ...]) -> str | None:
    """Why a label does not fit its image; ``None`` if it does. Sizes are (height, width)."""
    if label_size == image_size:
        return None
    return f'label size {label_size} differs from image size {image_size} (height, width)'


def range_fault(pixels: NDArray[np.int64], num_classes: int, ignore_index: int = 255) -> str | None:
    """Which labels are neither a class nor ignored, if any.

    Args:
        pixels: Pixels of each label (256,), as loaded.
        num_classes: Number of classes.
        ignore_index: Label of the ignored pixels.
    """
    labels = np.flatnonzero(pixels)
    bad = labels[(labels >= num_classes) & (labels != ignore_index)]
    return out_of_range(bad, num_classes, ignore_index) if len(bad) else None


def palette_fault(image: Image.Image, values: NDArray[np.int64], rules: LabelRules) -> str | None:
    """Why the indices of a palette image are no labels: an index has another class's colour.

    Image editors that reduce a coloured mask to a palette number the colours in their own order. A
    palette without the colours of the classes proves nothing.

    Args:
        image: Label file of mode ``'P'``.
        values: Pixels of each index (256,).
        rules: Their ``palette`` has the classes' colours.
    """
    colors = np.array(image.getpalette('RGB')).reshape(-1, 3).tolist()
    used = [
        (int(index), int(rules.table[index]), tuple(colors[index]))
        for index in np.flatnonzero(values[: len(colors)])
        if rules.table[index] < rules.num_classes
    ]
    if not all(color in rules.palette for *_, color in used):
        return None
    for index, label, color in used:
        if rules.palette[label] != color:
            return (
                f'palette index {index} would be class {label}, but has the colour {color} of '
                f'class {rules.palette.index(color)}'
            )
    return None


def out_of_range(labels: Sequence[int], num_classes: int, ignore_index: int) -> str:
    """Message on labels that are neither a class nor ignored; it names eight."""
    classes = f'0 to {num_classes - 1}' if num_classes > 1 else '0'
    ignored = f'{ignore_index} (ignored)'
    if ignore_index in range(num_classes):
        ignored = f'of these {ignore_index} is ignored'
    return (
        f'label value {", ".join(map(str, labels[:8]))} out of range; allowed are {classes} and '
        f'{ignored}'
    )
