"""Decode COCO's polygons and run-length encodings into the runs of a mask.

Runs are ``(start, end)`` of the mask's pixels, numbered down the columns from 0, sorted and
disjoint. They need memory for the file, not for the image; and damaged strings never reach the
decoder of pycocotools, which does not check them.
"""

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from ..errors import InputError

FARTHEST = 1e6  # pixels; pycocotools walks along an outline, however long it is
LONGEST = 1e7  # pixels of an outline

Runs = NDArray[np.int64]  # (R, 2)


def check_polygon(numbers: list[float]) -> float:
    """Refuse polygons that pycocotools would misread; return the outline's length in pixels.

    Args:
        numbers: x, y of the corners in turn; pixel ``i`` reaches from ``i`` to ``i + 1``.

    Raises:
        InputError: If the numbers are no pairs, not finite, far outside of any image, or the
            outline is longer than ``LONGEST``.
    """
    values = np.array(numbers, np.float64)
    if values.ndim != 1 or len(values) % 2 or not np.isfinite(values).all():
        raise InputError(f'polygon of {values.size} values is no list of finite x, y pairs')
    if np.abs(values).max(initial=0) > FARTHEST:
        raise InputError(f'polygon reaches {np.abs(values).max():g}; at most {FARTHEST:g} pixels')
    corners = values.reshape(-1, 2)
    length = float(np.abs(corners - np.roll(corners, 1, 0)).max(1, initial=0).sum())
    if length > LONGEST:
        raise InputError(f'polygon has an outline of {length:g}; at most {LONGEST:g} pixels')
    return length


def outline_length(segmentation: dict | list) -> float:
    """Length in pixels of the outlines of an annotation's polygons, checked; 0 for RLE."""
    return 0.0 if isinstance(segmentation, dict) else sum(map(check_polygon, segmentation))


def polygon_runs(polygons: list[list[float]], size: tuple[int, int]) -> Runs:
    """Runs of the union of polygons, checked; those of fewer than three corners have no pixels."""
    # pycocotools takes four numbers for a box
    outlines = [[float(number) for number in polygon] for polygon in polygons if len(polygon) > 4]
    if not outlines:
        return np.zeros((0, 2), np.int64)
    masks = coco.frPyObjects(outlines, *size)
    runs = np.concatenate([runs_of(decompress(mask['counts'].decode())) for mask in masks])
    return union(runs) if len(masks) > 1 else runs


def decompress(text: str) -> NDArray[np.int64]:
    """Run lengths of a compressed RLE: 5 bits a character, low ones first; a sixth continues.

    From the fourth on, a number is the difference to the one before the last. The number of
    operations is in proportion to the length.

    Raises:
        InputError: If the text is cut off, or a character or number is not of the format.
    """
    values = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    if not len(values):
        return values
    if values.min() < 0 or values.max() > 63 or values[-1] & 32:
        raise InputError('compressed RLE is cut or holds other characters than 0 to o')
    last = values & 32 == 0
    begins = np.flatnonzero(np.r_[True, last[:-1]])
    digits = np.arange(len(values)) - np.repeat(begins, np.diff(np.r_[begins, len(values)]))
    if digits.max() > 9:  # 50 bits
        raise InputError('compressed RLE holds a number of more than 50 bits')
    numbers = np.add.reduceat((values & 31) << 5 * digits, begins)
    is_negative = values[last] & 16 > 0
    numbers -= np.where(is_negative, np.int64(1) << 5 * (digits[last] + 1), 0)
    for first in (1, 2):
        numbers[first::2] = numbers[first::2].cumsum()
    return numbers


def runs_of(counts: NDArray[np.int64]) -> Runs:
    """Runs of the mask from alternating run lengths, background first; without empty runs."""
    ends = counts.cumsum()
    ends = ends[: len(ends) // 2 * 2].reshape(-1, 2)
    return ends[ends[:, 0] < ends[:, 1]]


def union(runs: Runs) -> Runs:
    """Runs of the pixels that are in any of the runs, which may overlap and have any order."""
    runs = runs[np.argsort(runs[:, 0], kind='stable')]
    if not len(runs):
        return runs
    reached = np.maximum.accumulate(runs[:, 1])
    begins = np.flatnonzero(np.r_[True, runs[1:, 0] > reached[:-1]])
    return np.stack([runs[begins, 0], reached[np.r_[begins[1:] - 1, len(runs) - 1]]], 1)


def rle_runs(counts: list[int] | str, size: tuple[int, int]) -> Runs:
    """Runs of run lengths, compressed or not, down the columns, the first of background.

    Raises:
        InputError: If they do not cover ``size`` exactly.
    """
    pixels = size[0] * size[1]
    if isinstance(counts, str):
        lengths = decompress(counts)
        if lengths.min(initial=0) < 0 or lengths.max(initial=0) > pixels:
            raise InputError(f'compressed RLE has a run that is not of 0 to {pixels} pixels')
    else:
        if not all(type(run) is int and 0 <= run <= pixels for run in counts):
            raise InputError(f'RLE counts are no list of whole numbers of 0 to {pixels}')
        lengths = np.array(counts, np.int64)
    if lengths.sum() != pixels:
        raise InputError(f'RLE covers {lengths.sum()} pixels; the image has {pixels}')
    return runs_of(lengths)


def segmentation_runs(segmentation: dict | list, size: tuple[int, int]) -> Runs:
    """Runs of an annotation's mask: RLE, compressed or not, or the union of polygons.

    Args:
        segmentation: COCO's; polygons are checked by ``outline_length``.
        size: Height and width.

    Raises:
        InputError: If it is damaged or made for another size.
    """
    if isinstance(segmentation, dict):
        if tuple(segmentation['size']) != size:
            raise InputError(f'RLE of size {segmentation["size"]}; the image has {list(size)}')
        return rle_runs(segmentation['counts'], size)
    return polygon_runs(segmentation, size)
