"""A PReLU that trains faster on a CPU."""

from typing import Any

import torch
import torch.nn as nn
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F


class PReLU(nn.PReLU):
    """``nn.PReLU``, equal to the bit, whose backward pass takes a quarter of the time on a CPU.

    Torch's kernel branches on the sign of every value, which a CPU mispredicts half of the time.
    Here the sign is a mask, and a gradient in another memory format than the input is first
    converted to that format. Nothing changes at inference or on a GPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``max(x, 0) + slope * min(x, 0)`` of ``(N, C, …)``, with a slope for each channel."""
        trains = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        if trains and x.device.type == 'cpu' and x.dtype == self.weight.dtype:
            return MaskedPReLU.apply(x, self.weight)
        return super().forward(x)


class MaskedPReLU(torch.autograd.Function):
    """``F.prelu`` without branches in its backward pass."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return F.prelu(x, slope)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        if gradient.stride() != x.stride():
            gradient = torch.empty_like(x).copy_(gradient)
        positive = torch.ops.aten.threshold_backward(gradient, x, 0)
        negative = gradient - positive
        per_channel = slope.view(-1, *[1] * (x.dim() - 2))
        of_slope = (negative * x).sum_to_size(1, *per_channel.shape).view_as(slope)
        return positive.addcmul_(negative, per_channel), of_slope
