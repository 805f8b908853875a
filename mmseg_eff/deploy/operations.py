"""Operations of torch in the terms of others, while a network is traced."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

STRIP = 2**22  # values of a strip of enlarged logits: 16 MB


class PlainOperations(TorchFunctionMode):
    """Adaptive pooling in operations that every engine has for every size; no idle resizes.

    Neither ONNX has it, nor can an exporter write it out where the sizes are free. The mean over
    windows is a product with a matrix along each axis; the maximum runs over gathered windows.
    A resize to the size that a map has is left out, where no size is free.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.interpolate:
            x, size = args[0], args[1] if len(args) > 1 else kwargs.get('size')
            given, wanted = tuple(x.shape[2:]), tuple(size or ())
            if all(isinstance(side, int) for side in (*given, *wanted)) and given == wanted:
                return x
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


def windows(length: int, target: int) -> tuple[Tensor, Tensor]:
    """First index and the one behind the last, of each of ``target`` windows in ``length``."""
    index = torch.arange(target)
    first = index * length // target
    return first, ((index + 1) * length + target - 1) // target


def mean_along(x: Tensor, dim: int, target: int) -> Tensor:
    """Adaptive average pooling of ``x`` (N, C, H, W) along one axis."""
    length = x.shape[dim]
    if isinstance(length, int) and length % target == 0:  # not asked of a size that is free
        return x.unflatten(dim, (target, -1)).mean(dim + 1)
    first, behind = windows(length, target)
    index = torch.arange(length)[:, None]
    matrix = ((index >= first) & (index < behind)) / (behind - first)  # (length, target)
    return x @ matrix if dim == 3 else matrix.T @ x


def max_along(x: Tensor, dim: int, target: int) -> Tensor:
    """Adaptive maximum pooling of ``x`` (N, C, H, W) along one axis."""
    first, behind = windows(x.shape[dim], target)
    longest = (x.shape[dim] + target - 1) // target + 1
    index = torch.minimum(first[:, None] + torch.arange(longest), behind[:, None] - 1)
    return x.index_select(dim, index.flatten()).unflatten(dim, (target, longest)).amax(dim + 1)


def whole_factor(given: Sequence[int], wanted: Sequence[int]) -> int | None:
    """The one factor from 2 to 8 between two sizes (H, W), if there is one and none is free."""
    if not all(isinstance(side, int) for side in (*given, *wanted)):
        return None
    factor = wanted[0] // given[0]
    fits = all(side * factor == target for side, target in zip(given, wanted, strict=True))
    return factor if fits and 2 <= factor <= 8 else None


def enlarged_argmax(logits: Tensor, factor: int) -> Tensor:
    """Labels (1, H, W) of logits (1, C, h, w) enlarged bilinearly by a whole factor.

    Every value in a cell of ``factor`` by ``factor`` pixels is a weighted mean of 3x3 logits with
    the same weights in each cell. So a depth-wise convolution makes them as channels, and only the
    winners are put in their places: engines find the maximum several times as fast so. Strips of
    rows, one after the other, keep the memory small.
    """
    channels = logits.shape[1]
    offset = (torch.arange(factor) + 0.5) / factor - 0.5  # from the centre of the cell
    taps = torch.stack([(-offset).relu(), 1 - offset.abs(), offset.relu()], dim=1)
    weight = (taps[:, None, :, None] * taps[None, :, None, :]).flatten(0, 1)
    weight = weight.repeat(channels, 1, 1).unsqueeze(1)  # (C * factor ** 2, 1, 3, 3)
    padded = F.pad(logits, (1, 1, 1, 1), mode='replicate')
    height, width = logits.shape[2:]
    rows = max(1, STRIP // (len(weight) * width))
    labels = []
    for top in range(0, height, rows):
        strip = padded[:, :, top : min(top + rows, height) + 2]
        scores = F.conv2d(strip, weight, groups=channels).unflatten(1, (channels, -1))
        labels.append(scores.argmax(1).float())
    return F.pixel_shuffle(torch.cat(labels, dim=2), factor).squeeze(1).long()
