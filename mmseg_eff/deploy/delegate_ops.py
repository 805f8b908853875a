"""Rewrite operations that XNNPACK's delegate lacks, while a network is traced.

ExecuTorch gives XNNPACK the parts of a network that it can run, and runs what lies between them by
slow portable kernels. The fewer parts, the fewer copies between them. All rewrites are exact.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

CHANNELS_FIRST = (0, 3, 1, 2)


class DelegatedOperations(TorchFunctionMode):
    """Operations that XNNPACK's delegate has, for maps of one fixed size.

    - The image's channels are sliced and concatenated. Its permutation would leave all maps in the
      memory format of channels last, which ExecuTorch's portable kernels refuse.
    - Channels are flipped in the same way.
    - Average pooling that counts zeros around the map pads the map first.
    - Adaptive average pooling is plain pooling where the windows are equal, else a product with a
      constant matrix along each axis.
    - Upsampling by nearest neighbour is a product with ones along new axes.
    - A slice that cuts nothing is left out.

    Args:
        channels: Of the image (1, H, W, C).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is Tensor.permute and args[1:] == CHANNELS_FIRST:
            if args[0].shape[3] == self.channels:
                return channels_first(args[0])
        elif func is Tensor.flip and args[1:] == (1,):
            x = args[0]
            return torch.cat([x[:, i : i + 1] for i in reversed(range(x.shape[1]))], dim=1)
        elif func is Tensor.__getitem__:
            part = func(*args)
            return args[0] if part.shape == args[0].shape else part
        elif func is F.avg_pool2d:
            return avg_pool(*args, **kwargs)
        elif func is F.adaptive_avg_pool2d:
            return adaptive_avg_pool(*args)
        elif func is F.interpolate:
            return interpolate(*args, **kwargs)
        return func(*args, **kwargs)


def channels_first(image: Tensor) -> Tensor:
    """Images (N, H, W, C) as contiguous float32 (N, C, H, W)."""
    image = image.float()  # first, because delegates take nothing else
    num, height, width, channels = image.shape
    planes = [image[..., i : i + 1].reshape(num, 1, height, width) for i in range(channels)]
    return torch.cat(planes, dim=1)


def avg_pool(
    x: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """``F.avg_pool2d``, with zeros around the map in an operation of their own."""
    if padding not in (0, (0, 0)) and count_include_pad and not ceil_mode:
        rows, columns = (padding, padding) if isinstance(padding, int) else padding
        x, padding = F.pad(x, (columns, columns, rows, rows)), 0
    return F.avg_pool2d(
        x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_avg_pool(x: Tensor, size: int | Sequence[int]) -> Tensor:
    """``F.adaptive_avg_pool2d`` of maps (N, C, H, W)."""
    given, size = x.shape[2:], (size, size) if isinstance(size, int) else tuple(size)
    if size == (1, 1):
        return x.mean((2, 3), keepdim=True)
    if all(side % target == 0 for side, target in zip(given, size, strict=True)):
        return F.avg_pool2d(x, [side // target for side, target in zip(given, size, strict=True)])
    num, channels = x.shape[:2]
    of_rows, of_columns = map(mean_matrix, given, size)
    rows = torch.from_numpy(np.tile(of_rows.T, (num * channels, 1, 1)))
    columns = torch.from_numpy(np.tile(of_columns, (num * channels, 1, 1)))
    means = rows.bmm(x.reshape(num * channels, *given).bmm(columns))
    return means.reshape(num, channels, *size)


def mean_matrix(length: int, target: int) -> NDArray[np.float32]:
    """Shares (length, target) of ``length`` values in the means of ``target`` windows."""
    index = np.arange(target)
    first, stop = index * length // target, -(-(index + 1) * length // target)
    position = np.arange(length)[:, None]
    return (((position >= first) & (position < stop)) / (stop - first)).astype(np.float32)


def interpolate(
    x: Tensor,
    size: Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = 'nearest',
    align_corners: bool | None = None,
    **others: bool,
) -> Tensor:
    """``F.interpolate``; nearest neighbours by a product where each value repeats."""
    given = x.shape[2:]
    if mode != 'nearest' or size is None or not all(map(repeats, given, size)):
        return F.interpolate(x, size, scale_factor, mode, align_corners, **others)
    num, channels, height, width = x.shape
    down, right = (-(-target // side) for side, target in zip(given, size, strict=True))
    ones = torch.from_numpy(np.ones((1, 1, down, 1, right), np.float32))
    x = x.reshape(num * channels, height, 1, width, 1) * ones
    x = x.reshape(num, channels, height * down, width * right)
    return x if x.shape[2:] == tuple(size) else x[..., : size[0], : size[1]]


def repeats(length: int, target: int) -> bool:
    """Whether nearest neighbours repeat each of ``length`` values equally often, but the last."""
    index = np.arange(target)
    return np.array_equal(index * length // target, index // -(-target // length))
