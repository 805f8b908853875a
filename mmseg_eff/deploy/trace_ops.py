"""Replace operations of torch that exporters lack by others, while a network is traced."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from unittest import mock

import numpy as np
import torch
from mmseg.models.decode_heads import decode_head
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

STRIP = 2**20  # logits of a strip: 4 MB


class PlainOperations(TorchFunctionMode):
    """Operations that every engine has, for every size.

    ONNX has no adaptive pooling, and no exporter can decompose it where the sizes are free. The
    mean over windows is a product with a matrix along each axis; the maximum runs over gathered
    windows. LiteRT has no sum with a factor, so it becomes a product and a sum. A resize to the
    size that a map already has is left out, where no size is free.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.interpolate:
            x, size = args[0], args[1] if len(args) > 1 else kwargs.get('size')
            given, wanted = tuple(x.shape[2:]), tuple(size or ())
            if all(isinstance(side, int) for side in (*given, *wanted)) and given == wanted:
                return x
        if func is Tensor.add and kwargs:
            factor = kwargs['alpha']
            return args[0] + (args[1] if factor == 1 else args[1] * factor)
        pool = {F.adaptive_avg_pool2d: mean_along, F.adaptive_max_pool2d: max_along}.get(func)
        if pool is None:
            return func(*args, **(kwargs or {}))
        x, size = args
        if size in (1, (1, 1)) and pool is mean_along:
            return x.mean((2, 3), keepdim=True)
        size = (size, size) if isinstance(size, int) else size
        # columns first: OpenVINO mistakes what follows a product with a matrix on the right
        for dim, target in zip((3, 2), reversed(size), strict=True):
            x = pool(x, dim, target)
        return x


def quiet_resize() -> AbstractContextManager:
    """Let mmseg's heads resize without a warning: to find it, they make numbers of free sizes."""
    return mock.patch.object(decode_head, 'resize', partial(decode_head.resize, warning=False))


def windows(length: int, target: int) -> tuple[Tensor, Tensor]:
    """First index and the one after the last, of each of ``target`` windows in ``length``."""
    index = torch.arange(target)
    first = index * length // target
    return first, ((index + 1) * length + target - 1) // target


def mean_along(x: Tensor, dim: int, target: int) -> Tensor:
    """Adaptive average pooling of ``x`` (N, C, H, W) along one axis."""
    length = x.shape[dim]
    if isinstance(length, int) and length % target == 0:  # not asked of a size that is free
        return x.unflatten(dim, (target, -1)).mean(dim + 1)
    first, stop = windows(length, target)
    index = torch.arange(length)[:, None]
    matrix = ((index >= first) & (index < stop)) / (stop - first)  # (length, target)
    return x @ matrix if dim == 3 else matrix.T @ x


def max_along(x: Tensor, dim: int, target: int) -> Tensor:
    """Adaptive maximum pooling of ``x`` (N, C, H, W) along one axis."""
    first, stop = windows(x.shape[dim], target)
    longest = (x.shape[dim] + target - 1) // target + 1
    index = torch.minimum(first[:, None] + torch.arange(longest), stop[:, None] - 1)
    return x.index_select(dim, index.flatten()).unflatten(dim, (target, longest)).amax(dim + 1)


def whole_factor(given: Sequence[int], wanted: Sequence[int]) -> int | None:
    """The one factor from 2 to 8 between two sizes (H, W), if there is one and none is free."""
    if not all(isinstance(side, int) for side in (*given, *wanted)):
        return None
    factor = wanted[0] // given[0]
    fits = all(side * factor == target for side, target in zip(given, wanted, strict=True))
    return factor if fits and 2 <= factor <= 8 else None


def label_type(num_labels: int) -> torch.dtype:
    """The type of the labels in a graph: uint8, or int32 above 256 of them."""
    return torch.uint8 if num_labels <= 256 else torch.int32


def upsampled_argmax(logits: Tensor, factor: int, align_corners: bool) -> Tensor:
    """Labels (N, H, W) of logits (N, C, h, w) upsampled bilinearly by a whole factor.

    Each pixel of a cell of ``factor`` by ``factor`` lies less than a step from the cell's own
    logits. So the pixels at one place in their cells are a map of the size of the logits, between
    neighbours of them, and only the winners are put in their places. Strips of rows, one after the
    other, of an image stay in the processor's cache. The maps are flat: engines keep the classes of
    flat maps apart, and find the maximum several times as fast so. What a step brings in from
    another row has the share 0.
    """
    batch, channels, height, width = logits.shape
    dtype = label_type(channels)
    down = np.repeat(cell_offsets(height, factor, align_corners), width, axis=1)
    right = np.tile(cell_offsets(width, factor, align_corners), height)
    rows = max(1, STRIP // (channels * width))
    strips = []
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = logits[:, :, max(top - 1, 0) : bottom + 1].flatten(2)
        strip = F.pad(strip, [1 + width * at_edge for at_edge in (top == 0, bottom == height)])
        inside = slice(top * width, bottom * width)
        labels = []
        for step_down in down:
            row = move(strip, width, np.pad(step_down[inside], 1))
            labels += [move(row, 1, step[inside]).argmax(1).to(dtype) for step in right]
        cells = torch.stack(labels).view(factor, factor, batch * (bottom - top), width)
        strips.append(cells.permute(2, 0, 3, 1).reshape(batch, -1, factor * width))
    return torch.cat(strips, dim=1)


def cell_offsets(length: int, factor: int, align_corners: bool) -> NDArray[np.float32]:
    """Steps (factor, length) from each position to those that it becomes, between -1 and 1."""
    index = np.arange(factor * length)
    if align_corners:
        position = index * (length - 1) / (factor * length - 1)
    else:
        position = ((index + 0.5) / factor - 0.5).clip(0, length - 1)
    return (position.reshape(-1, factor) - np.arange(length)[:, None]).T.astype(np.float32)


def move(x: Tensor, distance: int, steps: NDArray[np.float32]) -> Tensor:
    """Values between those of flat maps (N, C, n + 2 * distance), as steps (n) of a distance."""
    before, here, after = (x[..., i * distance :][..., : len(steps)] for i in range(3))
    moved = here
    for neighbour, share in ((before, -steps), (after, steps)):
        if (share > 0).any():
            moved = moved + (neighbour - here) * torch.from_numpy(share.clip(0))
    return moved
