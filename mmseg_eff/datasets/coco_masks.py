"""Decode COCO's polygons and run-length encodings by pycocotools, after checks."""

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from ..errors import InputError

FARTHEST = 1e6  # pixels; pycocotools steps along an outline, however long it is


def check_polygon(numbers: list[float]) -> None:
    """Refuse what pycocotools would misread.

    Args:
        numbers: x, y of the corners in turn; pixel ``i`` reaches from ``i`` to ``i + 1``.

    Raises:
        InputError: If the numbers are no pairs, not finite or far outside of any image.
    """
    values = np.array(numbers, np.float64)
    if values.ndim != 1 or len(values) % 2 or not np.isfinite(values).all():
        raise InputError(f'polygon of {values.size} values is no list of finite x, y pairs')
    if np.abs(values).max(initial=0) > FARTHEST:
        raise InputError(f'polygon reaches {np.abs(values).max():g}; at most {FARTHEST:g} pixels')


def decode_polygons(polygons: list[list[float]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Union (H, W) of polygons; those of fewer than three corners have no pixels."""
    for polygon in polygons:
        check_polygon(polygon)
    # pycocotools takes four numbers for a box
    outlines = [[float(number) for number in polygon] for polygon in polygons if len(polygon) > 4]
    if not outlines:
        return np.zeros(size, bool)
    return coco.decode(coco.merge(coco.frPyObjects(outlines, *size))) > 0


def decode_rle(counts: list[int] | str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (H, W) of run lengths, compressed or not, down the columns, the first of background.

    Raises:
        InputError: If the runs do not cover ``size`` exactly.
    """
    pixels = size[0] * size[1]
    if not isinstance(counts, str):
        if not all(type(run) is int for run in counts):
            raise InputError('RLE counts are no list of whole numbers')
        if min(counts, default=0) < 0 or sum(counts) != pixels:
            raise InputError(f'RLE covers {sum(counts)} pixels; the image has {pixels}')
        return coco.decode(coco.frPyObjects(dict(size=list(size), counts=counts), *size)) > 0
    try:
        mask = coco.decode(dict(size=list(size), counts=counts))
    except ValueError as error:
        raise InputError(f'compressed RLE does not cover {pixels} pixels: {error}') from error
    try:  # too short a string leaves the last pixels as they were in memory, and raises nothing
        coco.decode(dict(size=[1, pixels - 1], counts=counts))
    except ValueError:
        return mask > 0
    raise InputError(f'compressed RLE covers fewer than {pixels} pixels, those of the image')


def decode_segmentation(segmentation: dict | list, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (H, W) of an annotation: RLE, compressed or not, or the union of polygons.

    Raises:
        InputError: If it is damaged or made for another size.
    """
    if isinstance(segmentation, dict):
        if tuple(segmentation['size']) != size:
            raise InputError(f'RLE of size {segmentation["size"]}; the image has {list(size)}')
        return decode_rle(segmentation['counts'], size)
    return decode_polygons(segmentation, size)
