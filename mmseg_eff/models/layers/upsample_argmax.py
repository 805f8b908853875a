"""Compute labels at the size of the image from small logits, without upsampling these.

``F.interpolate(logits, size, mode='bilinear').argmax(1)`` writes and reads every class at every
pixel: 19 classes at 1024x2048 are 160 MB. Here tiles of the image are done one at a time, and in
each only the classes that can win: an interpolated value lies between the four it is made of, so a
class whose largest value around a cell is below another's smallest loses everywhere in the cell.

The values compared are the ones that ``F.interpolate`` computes, to the bit where ``torch.addcmul``
rounds once (torch's x86 builds since AVX2), so that ties break alike; elsewhere up to rounding.
"""

import functools
import importlib.util
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDING = 2**-20  # of the largest logit: more than four products and three sums can be off
TILE = (128, 2048)  # pixels of the image: large enough for threads, small beside the logits
UPPER, LOWER = slice(None, -1), slice(1, None)


class Axis(NamedTuple):
    """Output positions of one axis: their two sources and the weights of these, as torch has."""

    low: Tensor
    high: Tensor
    low_weight: Tensor
    high_weight: Tensor

    def part(self, start: int, stop: int) -> tuple['Axis', slice]:
        """Positions ``start`` to ``stop`` and the slice of the sources they need."""
        low, high = self.low[start:stop], self.high[start:stop]
        first, last = int(low[0]), int(high[-1])
        weights = self.low_weight[start:stop], self.high_weight[start:stop]
        return Axis(low - first, high - first, *weights), slice(first, last + 1)


def make_axis(size: int, out_size: int, align_corners: bool) -> Axis:
    """Sources and weights of ``out_size`` positions over ``size`` values."""
    if align_corners:
        step = np.float32(size - 1) / np.float32(out_size - 1) if out_size > 1 else np.float32(0)
        source = step * np.arange(out_size, dtype=np.float32)
    else:
        ratio = float(np.float32(size) / np.float32(out_size))
        position = ratio * (np.arange(out_size) + 0.5) - 0.5  # in double precision
        source = np.maximum(position.astype(np.float32), np.float32(0))
    low = np.minimum(source.astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    high_weight = source - low.astype(np.float32)
    low_weight = np.float32(1) - high_weight
    return Axis(*map(torch.from_numpy, (low, high, low_weight, high_weight)))


def upsample_argmax(logits: Tensor, size: Sequence[int], *, align_corners: bool = False) -> Tensor:
    """``F.interpolate(logits, size, mode='bilinear', align_corners=…).argmax(1)``, exactly.

    On a GPU the two calls are compiled into one kernel where Triton is installed.

    Args:
        logits: (N, C, h, w), float32; other types, and values that are not finite, take
            ``plain_argmax``.
        size: Height and width of the labels.
        align_corners: Convention of the upsampling.

    Returns:
        Labels (N, H, W), ``uint8`` for up to 256 classes and ``int16`` above.
    """
    height, width = size
    dtype = torch.uint8 if logits.shape[1] <= 256 else torch.int16
    if logits.is_cuda and has_triton():
        return compiled_argmax()(logits, size, align_corners).to(dtype)
    # torch takes other kernels for these, which round otherwise; there is little to gain either
    is_small = height + width <= 128 or logits.shape[1] < 4
    largest = float(logits.abs().max())
    if logits.is_cuda or is_small or logits.dtype != torch.float32 or not math.isfinite(largest):
        return plain_argmax(logits, size, align_corners).to(dtype)
    rows = make_axis(logits.shape[2], height, align_corners)
    cols = make_axis(logits.shape[3], width, align_corners)
    labels = torch.empty((len(logits), height, width), dtype=dtype)
    for image, label in zip(logits.contiguous(), labels, strict=True):
        possible = possible_winners(image, ROUNDING * largest)
        for top in range(0, height, TILE[0]):
            y, source_rows = rows.part(top, top + TILE[0])
            for left in range(0, width, TILE[1]):
                x, source_cols = cols.part(left, left + TILE[1])
                out = label[top : top + TILE[0], left : left + TILE[1]]
                fill(out, image, possible, (y, x), (source_rows, source_cols))
    return labels


def plain_argmax(logits: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """The reference: upsample, then argmax."""
    size = tuple(size)
    return F.interpolate(logits, size, mode='bilinear', align_corners=align_corners).argmax(1)


@functools.cache
def has_triton() -> bool:
    """Whether torch can compile for a GPU."""
    return importlib.util.find_spec('triton') is not None


@functools.cache
def compiled_argmax() -> Callable[[Tensor, Sequence[int], bool], Tensor]:
    """``plain_argmax`` as one kernel."""
    return torch.compile(plain_argmax, dynamic=True)


def possible_winners(image: Tensor, tolerance: float) -> Tensor:
    """Which classes of (C, h, w) can win between a value and its next ones: bool (C, h, w).

    The winner of a pixel is at least every class there, and so at least the mean of any of them:
    of the winners at the four corners, which is large between two classes where each alone is not.
    """
    padded = F.pad(image[None], (0, 1, 0, 1), mode='replicate')[0]
    upper, lower = padded, padded
    for dim in (1, 2):
        size = padded.shape[dim] - 1
        upper = torch.maximum(upper.narrow(dim, 0, size), upper.narrow(dim, 1, size))
        lower = torch.minimum(lower.narrow(dim, 0, size), lower.narrow(dim, 1, size))
    winners = corners(running_argmax(enumerate(padded)).long() * padded[0].numel())
    position = torch.arange(padded[0].numel()).view(padded[0].shape)
    means = [
        functools.reduce(torch.add, (padded.take(winner + corner) for winner in winners)) / 4
        for corner in corners(position)
    ]
    best = torch.stack([lower.amax(0), torch.stack(means).amin(0)]).amax(0)
    return upper >= best - tolerance


def corners(x: Tensor) -> list[Tensor]:
    """The values (h, w) at the four corners of each cell of (h + 1, w + 1)."""
    return [x[rows, cols] for rows in (UPPER, LOWER) for cols in (UPPER, LOWER)]


def running_argmax(channels: Iterable[tuple[int, Tensor]]) -> Tensor:
    """The number of the channel with the highest value, the first of equal ones, as float32.

    In float32, whose comparisons are vectorised; a mask of bytes takes ten times as long.

    Args:
        channels: Ascending numbers and values of one shape.
    """
    channels = iter(channels)
    first, best = next(channels)
    best = best.clone()
    winner = torch.full_like(best, first)
    is_better = torch.empty_like(best)
    for channel, value in channels:  # ascending, so the later winner is the larger number
        torch.gt(value, best, out=is_better)
        torch.maximum(best, value, out=best)
        torch.maximum(winner, is_better.mul_(channel), out=winner)
    return winner


def fill(
    out: Tensor,
    image: Tensor,
    possible: Tensor,
    axes: tuple[Axis, Axis],
    sources: tuple[slice, slice],
) -> None:
    """Write the labels of a tile.

    Args:
        out: The tile (H, W).
        image: Logits (C, h, w) of the image.
        possible: Of ``possible_winners``.
        axes: Positions of the tile's rows and columns in ``sources``.
        sources: The rows and columns of ``image`` that they need.
    """
    y, x = axes
    first, *others = possible[:, *sources].flatten(1).any(1).nonzero().flatten().tolist()
    if not others:
        out.fill_(first)
        return

    def values(channel: int) -> Tensor:
        """The channel at the pixels of the tile, in torch's order of operations."""
        source = image[channel, *sources]
        wide = source.index_select(1, x.high).mul_(x.high_weight)
        wide.addcmul_(source.index_select(1, x.low), x.low_weight)
        tall = wide.index_select(0, y.high).mul_(y.high_weight[:, None])
        return tall.addcmul_(wide.index_select(0, y.low), y.low_weight[:, None])

    out.copy_(running_argmax((channel, values(channel)) for channel in (first, *others)))
