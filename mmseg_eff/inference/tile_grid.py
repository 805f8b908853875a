"""Plan the tiles of an image: what is read for each, and which part of it is kept."""

from itertools import product
from typing import NamedTuple

from ..errors import InputError
from .region_readers import Region

ALIGNMENT = 32  # the largest output stride of the networks here


class Tile(NamedTuple):
    """Regions of the image: what the network sees, and the part whose labels are kept."""

    read: Region
    keep: Region

    def inside(self, step: int = 1) -> Region:
        """The kept part relative to the tile's corner.

        Args:
            step: Only pixels whose row and column in the image are multiples of it.
        """
        (read_y, read_x), (keep_y, keep_x) = self.read, self.keep
        return strided(keep_y, read_y.start, step), strided(keep_x, read_x.start, step)

    def reduced(self, step: int) -> Region:
        """The kept part in an image of every ``step``-th pixel."""
        rows, columns = self.keep
        return (
            slice(-(-rows.start // step), -(-rows.stop // step)),
            slice(-(-columns.start // step), -(-columns.stop // step)),
        )


def strided(span: slice, origin: int, step: int) -> slice:
    """The multiples of ``step`` in a span, relative to an origin."""
    return slice(span.start + -span.start % step - origin, span.stop - origin, step)


def check_tiling(size: int, overlap: int, prefix: str = '') -> None:
    """Check that tiles fit the network's grid.

    Args:
        size: Side of a tile in pixels.
        overlap: Margin in pixels towards each neighbour.
        prefix: What stands before the names ``tile`` and ``overlap`` in the message.

    Raises:
        InputError: If one is not a multiple of 32, or the overlap leaves nothing of a tile.
    """
    for name, value in (('tile', size), ('overlap', overlap)):
        if value < 0 or value % ALIGNMENT:
            raise InputError(f'{prefix}{name} must be a multiple of {ALIGNMENT}, got {value}')
    if size <= 2 * overlap:
        raise InputError(
            f'{prefix}tile must be more than twice {prefix}overlap ({overlap}), got {size}'
        )


def plan_tiles(shape: tuple[int, int], size: int, overlap: int) -> list[Tile]:
    """Tiles in reading order; their kept parts cover an image (H, W) once."""
    rows, columns = (spans(length, size, overlap) for length in shape)
    return [
        Tile((read_y, read_x), (keep_y, keep_x))
        for (read_y, keep_y), (read_x, keep_x) in product(rows, columns)
    ]


def spans(length: int, size: int, overlap: int) -> list[tuple[slice, slice]]:
    """The (read, kept) spans of the tiles along a side."""
    step = size - 2 * overlap
    last = max(0, -(-(length - size) // step))
    return [
        (
            slice(i * step, min(i * step + size, length)),
            slice(i * step + overlap if i else 0, (i + 1) * step + overlap if i < last else length),
        )
        for i in range(last + 1)
    ]
