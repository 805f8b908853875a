"""What a label file may hold: one 8-bit class index a pixel, a class or the ignored value."""

from typing import NamedTuple

import numpy as np
from mmengine.dataset import BaseDataset
from numpy.typing import NDArray
from PIL import Image

from ..errors import out_of_range

INDEX_MODES = ('1', 'L', 'P')  # Pillow's modes of one 8-bit value (or less) a pixel


class LabelRules(NamedTuple):
    """How a data set reads its label files."""

    num_classes: int
    ignore_index: int
    reduce_zero_label: bool
    table: NDArray[np.uint8]  # (256,), the label of each value in a file
    palette: list[tuple[int, int, int]]  # RGB of each class

    @classmethod
    def of(cls, dataset: BaseDataset) -> 'LabelRules':
        """Rules of a ``BaseSegDataset``."""
        meta = dataset.metainfo
        return cls(
            len(meta['classes']),
            dataset.ignore_index,
            dataset.reduce_zero_label,
            label_table(dataset.label_map, dataset.reduce_zero_label),
            [tuple(color) for color in meta['palette']],
        )

    def count(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Pixels of each label (256,) from those of each value in the file (256,)."""
        return np.bincount(self.table, weights=values, minlength=256).astype(np.int64)


def label_table(label_map: dict[int, int] | None, reduce_zero_label: bool) -> NDArray[np.uint8]:
    """The label (256,) that mmseg's ``LoadAnnotations`` makes of each value in a file."""
    reduced = np.arange(256, dtype=np.uint8)
    if reduce_zero_label:
        reduced = np.array([255, *range(254), 255], np.uint8)
    table = reduced.copy()
    for old, new in (label_map or {}).items():
        table[reduced == old] = new
    return table


def format_fault(mode: str) -> str | None:
    """Why a label file of a Pillow mode cannot be read as class indices, if so."""
    if mode in INDEX_MODES:
        return None
    return (
        f'label file of pixel format {mode!r}; expected one 8-bit class index a pixel '
        f'({", ".join(INDEX_MODES)})'
    )


def size_fault(label_size: tuple[int, ...], image_size: tuple[int, ...]) -> str | None:
    """Why a label does not fit its image, if so; sizes are (height, width)."""
    if label_size == image_size:
        return None
    return f'label size {label_size} differs from image size {image_size} (height, width)'


def range_fault(pixels: NDArray[np.int64], num_classes: int, ignore_index: int = 255) -> str | None:
    """Which labels are neither a class nor ignored, if any.

    Args:
        pixels: Pixels of each label (256,), as loaded.
        num_classes: Number of classes.
        ignore_index: Label of the pixels that do not count.
    """
    labels = np.flatnonzero(pixels)
    bad = labels[(labels >= num_classes) & (labels != ignore_index)]
    return out_of_range(bad, num_classes, ignore_index) if len(bad) else None


def palette_fault(image: Image.Image, values: NDArray[np.int64], rules: LabelRules) -> str | None:
    """Why a palette file's indices are no labels, if so: they number the classes' colours anew.

    So writes an image editor that reduces a coloured mask to a palette. A palette that has nothing
    to do with the classes' colours says nothing about the indices.

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
