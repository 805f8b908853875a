"""Draw the shapes of one image in their order, later ones over earlier ones."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .coco_masks import FARTHEST, check_polygon, polygon_runs
from .source import LabelMap, check_size

MOST_COVERED = 1000  # times that the shapes, or the whole masks, of an image may cover it
ON_TOP = 1e8  # pixels that they may cover besides, so that small images hold many shapes


class Canvas:
    """A label map to draw on, with a bound on the work that a small file can ask for.

    Args:
        size: Height and width.
        fill: Label of the pixels that no shape covers.
    """

    def __init__(self, size: tuple[int, int], fill: int = 0) -> None:
        self.size = check_size(*size)
        height, width = size
        self.columns = np.full(height * width, fill, np.uint8)  # down the columns, as COCO's runs
        self.image = self.columns.reshape(width, height).T  # a view (H, W)
        self.outlines = self.covered = 0.0

    def labels(self) -> LabelMap:
        """What was drawn (H, W)."""
        return np.ascontiguousarray(self.image)

    def draw_polygon(self, corners: Sequence[Sequence[float]], label: int) -> None:
        """Draw a polygon of corners (x, y); pixel ``i`` reaches from ``i`` to ``i + 1``."""
        numbers = flat_numbers(corners)
        self.spend_outline(check_polygon(numbers))
        runs = polygon_runs([numbers], self.size)
        self.spend(float((runs[:, 1] - runs[:, 0]).sum()))
        for start, end in runs.tolist():
            self.columns[start:end] = label

    def draw_mask(self, mask: NDArray[np.bool_], top: int, left: int, label: int) -> None:
        """Draw the pixels of a mask (h, w) whose upper left one is at ``top`` and ``left``.

        Raises:
            InputError: If it reaches out of the image.
        """
        height, width = mask.shape
        if min(top, left) < 0 or top + height > self.size[0] or left + width > self.size[1]:
            raise InputError(
                f'mask of {height} x {width} pixels at row {top}, column {left} reaches out of '
                f'the image of {self.size[0]} x {self.size[1]}'
            )
        self.spend(mask.size)
        self.image[top : top + height, left : left + width][mask] = label

    def spend_outline(self, length: float) -> None:
        """Count the length of an outline, along which a decoder steps pixel by pixel."""
        self.outlines += length
        if self.outlines > 10 * self.columns.size + 1e6:
            raise InputError(
                f'outlines of {self.outlines:g} pixels in an image of {self.columns.size}'
            )

    def spend(self, pixels: float) -> None:
        """Count pixels that are drawn, again and again where shapes overlap."""
        self.covered += pixels
        if self.covered > MOST_COVERED * self.columns.size + ON_TOP:
            raise InputError(f'shapes cover the image more than {MOST_COVERED} times')


def finite(value: object, what: str) -> float:
    """A number of pixels from a file.

    Raises:
        InputError: If it is none, not finite, or farther away than any image reaches.
    """
    try:
        number = float(value) if isinstance(value, int | float | str) else float('nan')
    except (OverflowError, ValueError):
        number = float('nan')
    if not abs(number) <= FARTHEST:
        raise InputError(f'{what} is {value!r:.60}; expected a number of at most {FARTHEST:g}')
    return number


def whole(value: object, what: str) -> int:
    """A whole number from a file, which may be text; see ``finite``."""
    number = finite(value, what)
    if number != int(number):
        raise InputError(f'{what} is {value!r:.60}; expected a whole number')
    return int(number)


def points_of(values: object, least: int, what: str = 'points') -> list[tuple[float, float]]:
    """Corners (x, y) from a file.

    Raises:
        InputError: If they are no list of pairs of numbers, or fewer than ``least``.
    """
    if not isinstance(values, list) or len(values) < least:
        raise InputError(f'{what} {values!r:.60}; expected a list of at least {least} x, y pairs')
    for point in values:
        if not isinstance(point, list | tuple) or len(point) != 2:
            raise InputError(f'{what} hold {point!r:.60}; expected x, y')
    return [(finite(x, what), finite(y, what)) for x, y in values]


def flat_numbers(corners: Iterable[Sequence[float]]) -> list[float]:
    """x, y of the corners in turn, as COCO writes them."""
    return [float(number) for corner in corners for number in corner]


def ellipse(
    center: tuple[float, float], radii: tuple[float, float], degrees: float = 0
) -> list[tuple[float, float]]:
    """Corners of a polygon on an ellipse, at most a quarter of a pixel inside of it.

    Args:
        center: x and y.
        radii: Along the two axes, in pixels.
        degrees: Clockwise rotation about the center.
    """
    if min(radii) <= 0:
        raise InputError(f'ellipse of the radii {radii[0]:g} and {radii[1]:g}; expected above 0')
    count = int(np.clip(np.ceil(np.pi * np.sqrt(2 * max(radii))), 8, 2048))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
    return rotated(np.stack([x, y], 1) + center, center, degrees)


def box(
    left: float,
    top: float,
    right: float,
    bottom: float,
    degrees: float = 0,
    *,
    corner: bool = False,
) -> list[tuple[float, float]]:
    """Corners of a box that is rotated clockwise about its center, or its upper left corner."""
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
    pivot = (left, top) if corner else ((left + right) / 2, (top + bottom) / 2)
    return rotated(corners, pivot, degrees)


def rotated(
    corners: NDArray[np.float64], pivot: tuple[float, float], degrees: float
) -> list[tuple[float, float]]:
    """Corners (N, 2) turned clockwise, as y points down, about a pivot."""
    if degrees:
        sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
        x, y = (corners - pivot).T
        corners = np.stack([x * cosine - y * sine, x * sine + y * cosine], 1) + pivot
    return [(float(x), float(y)) for x, y in corners]
