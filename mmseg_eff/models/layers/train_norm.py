"""A batch normalisation that trains faster on a CPU in channels-last memory format."""

from math import gcd
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

VECTOR = 16  # torch's kernels are fast for multiples of so many channels
MIN_WIDTH = 128  # channels from which folding pixels into channels gains nothing more


class TrainBatchNorm2d(nn.BatchNorm2d):
    """``nn.BatchNorm2d`` that is fast on a CPU for any number of channels, in training.

    Torch's kernels for channels-last maps want a multiple of 16 channels. Others are computed as
    maps of a multiple of the channels and fewer pixels; the results differ by rounding. Nothing
    changes in other memory formats, at inference, on a GPU, or with automatic mixed precision.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``(N, C, H, W)`` by the statistics of the batch; see ``nn.BatchNorm2d``."""
        factor = self.folding(input)
        if factor == 1:
            return super().forward(input)
        assert self.num_batches_tracked is not None  # see folding()
        assert self.running_mean is not None and self.running_var is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        out, mean, variance = FoldedBatchNorm.apply(input, self.weight, self.bias, self.eps, factor)
        with torch.no_grad():
            count = input.numel() // input.shape[1]
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return out

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions, as mmengine's norm of one process allows."""

    def folding(self, x: Tensor) -> int:
        """Number of pixels to count as channels; 1 where torch's own kernel is to be used."""
        if (
            not (self.training and torch.is_grad_enabled())
            or x.device.type != 'cpu'
            or x.dim() != 4
            or x.shape[1] % VECTOR == 0
            or self.weight is None
            or self.running_mean is None
            or self.momentum is None
            or x.dtype != self.weight.dtype
            or torch.is_autocast_enabled('cpu')
            or not x.is_contiguous(memory_format=torch.channels_last)
        ):
            return 1
        return pixels_to_fold(x.shape[1], x.numel() // x.shape[1])


def pixels_to_fold(channels: int, pixels: int) -> int:
    """Divisor of ``pixels`` that makes a wide multiple of 16 channels; 1 if there is none."""
    factor = VECTOR // gcd(channels, VECTOR)
    if pixels % factor:
        return 1
    while factor * channels < MIN_WIDTH and pixels % (2 * factor) == 0:
        factor *= 2
    return factor if pixels > factor else 1


class FoldedBatchNorm(torch.autograd.Function):
    """Batch normalisation of a channels-last map, some pixels at a time.

    Returns the map, and mean and biased variance of each channel.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, factor: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        folded = fold(x, factor)
        means, variances = torch.ops.aten.batch_norm_update_stats(folded, None, None, 0.0)
        means, variances = means.view(factor, -1), variances.view(factor, -1)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        tiled = [value.repeat(factor) for value in (weight, bias, mean, variance)]
        out = torch.ops.aten.native_batch_norm(folded, *tiled, False, 0.0, eps)[0]
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps, ctx.factor = eps, factor
        ctx.mark_non_differentiable(mean, variance)
        return unfold(out, x), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        factor, eps = ctx.factor, ctx.eps
        folded = fold(x, factor)
        gradient = fold(gradient.contiguous(memory_format=torch.channels_last), factor)
        tiled = [value.repeat(factor) for value in (weight, mean, variance)]
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, folded, *tiled, None, None, False, eps, [False, True, True]
        )
        of_weight = of_weight.view(factor, -1).sum(0)
        of_bias = of_bias.view(factor, -1).sum(0)
        scale = (variance + eps).rsqrt()
        count = x.numel() // x.shape[1]
        # weight * scale * (gradient - mean(gradient) - normalised x * mean(gradient * same))
        of_x = -weight * scale.square() * of_weight / count
        constant = -weight * scale * of_bias / count - of_x * mean
        factors = (
            value.repeat(factor).view(1, -1, 1, 1) for value in (constant, of_x, weight * scale)
        )
        constant, of_x, of_gradient = factors
        out = torch.addcmul(constant, folded, of_x).addcmul_(gradient, of_gradient)
        return unfold(out, x), of_weight, of_bias, None, None


def fold(x: Tensor, factor: int) -> Tensor:
    """Channels-last ``(N, C, H, W)`` as ``(1, factor * C, N * H * W / factor, 1)``, not copied."""
    channels = x.shape[1]
    rows = x.permute(0, 2, 3, 1).reshape(1, -1, 1, factor * channels)
    return rows.permute(0, 3, 1, 2)


def unfold(folded: Tensor, like: Tensor) -> Tensor:
    """The map of the shape of ``like`` that ``fold`` has folded."""
    batch, channels, height, width = like.shape
    return folded.permute(0, 2, 3, 1).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
