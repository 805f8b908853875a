"""A 2D convolution that trains faster on a CPU in channels-last memory format."""

from math import gcd
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

MIN_GROUP_WIDTH = 16  # below, oneDNN's own gradient of a grouped 1x1 convolution is as fast


class TrainConv2d(nn.Conv2d):
    """``nn.Conv2d`` whose gradients of two kinds take a fraction of the time on a CPU.

    Torch's library has no fast gradients for depth-wise convolutions with a dilation, and none for
    the weights of grouped 1x1 convolutions. Both are the sums that other operators compute fast.
    The outputs are equal to the bit; the gradients differ by rounding. Nothing changes in other
    memory formats, at inference, on a GPU, or with automatic mixed precision.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve ``(N, C, H, W)``; see ``nn.Conv2d``."""
        if not (self.is_dilated_depthwise() or self.is_grouped_pointwise()):
            return super().forward(input)
        trains = torch.is_grad_enabled() and (input.requires_grad or self.weight.requires_grad)
        if not trains or not fits(input, self.weight):
            return super().forward(input)
        geometry = self.stride[0], self.padding[0], self.dilation[0], self.groups
        return FastBackwardConv.apply(input, self.weight, self.bias, *geometry)

    def is_dilated_depthwise(self) -> bool:
        """Whether it has one filter a channel, a dilation, and maps of the size / stride."""
        side, dilation, padding = self.kernel_size[0], self.dilation[0], self.padding[0]
        return (
            self.groups == self.in_channels == self.out_channels
            and dilation > 1
            and side % 2 == 1
            and padding == dilation * (side - 1) // 2
            and self.is_square()
        )

    def is_grouped_pointwise(self) -> bool:
        """Whether it is a 1x1 convolution in groups of many channels."""
        width = min(self.in_channels, self.out_channels) // self.groups
        is_small = self.kernel_size[0] == self.stride[0] == 1 and self.padding[0] == 0
        return self.groups > 1 and width >= MIN_GROUP_WIDTH and is_small and self.is_square()

    def is_square(self) -> bool:
        """Whether both axes are treated alike, with zeros outside the map."""
        pairs = self.kernel_size, self.stride, self.padding, self.dilation
        return self.padding_mode == 'zeros' and all(pair[0] == pair[1] for pair in pairs)


def fits(x: Tensor, weight: Tensor) -> bool:
    """Whether a map ``(N, C, H, W)`` is in channels-last format on a CPU, in the weight's dtype."""
    return (
        x.device.type == 'cpu'
        and x.dim() == 4
        and x.dtype == weight.dtype
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled('cpu')
    )


class FastBackwardConv(torch.autograd.Function):
    """``F.conv2d`` of a depth-wise convolution with dilation, or of a grouped 1x1 convolution."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: int,
        dilation: int,
        groups: int,
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, dilation, groups
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        stride, dilation, groups = ctx.geometry
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        x_gradient = weight_gradient = bias_gradient = None
        if of_bias:
            bias_gradient = gradient.sum((0, 2, 3))
        if weight.shape[2] == 1:
            if of_x:
                x_gradient = F.conv2d(gradient, transposed(weight, groups), groups=groups)
            if of_weight:
                weight_gradient = pointwise_gradient(gradient, x, groups)
        else:
            if of_x:
                x_gradient = depthwise_input_gradient(gradient, x, weight, stride, dilation)
            if of_weight:
                weight_gradient = depthwise_weight_gradient(gradient, x, weight, stride, dilation)
        return x_gradient, weight_gradient, bias_gradient, None, None, None, None


def transposed(weight: Tensor, groups: int) -> Tensor:
    """``(C_out, C_in / groups, 1, 1)`` to ``(C_in, C_out / groups, 1, 1)``, group by group."""
    return weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)


def pointwise_gradient(gradient: Tensor, x: Tensor, groups: int) -> Tensor:
    """Gradient of a 1x1 convolution's weight, ``(C_out, C_in / groups, 1, 1)``."""
    outs, ins = (  # (pixels, groups, channels)
        value.permute(0, 2, 3, 1).flatten(0, 2).unflatten(1, (groups, -1))
        for value in (gradient, x)
    )
    product = torch.bmm(outs.permute(1, 2, 0), ins.permute(1, 0, 2))
    return product.flatten(0, 1)[..., None, None]


def depthwise_input_gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, dilation: int
) -> Tensor:
    """Gradient of a depth-wise convolution's input: the gradient convolved with mirrored filters.

    Args:
        gradient: Of the output, ``(N, C, ceil(H / stride), ceil(W / stride))``.
        x: Input ``(N, C, H, W)``.
        weight: ``(C, 1, k, k)`` with an odd ``k``; the padding is ``dilation * (k - 1) / 2``.
        stride: Stride of the convolution.
        dilation: Dilation of it.
    """
    step = gcd(stride, dilation)  # the filters touch every step-th row and column alone
    if stride > step:
        gradient = spread(gradient, subsampled(x, step), stride // step)
    dilation //= step
    padding = dilation * (weight.shape[2] - 1) // 2
    found = F.conv2d(
        gradient, weight.flip(2, 3), None, 1, padding, dilation, groups=weight.shape[0]
    )
    return spread(found, x, step)


def depthwise_weight_gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, dilation: int
) -> Tensor:
    """Gradient of a depth-wise convolution's weight; see ``depthwise_input_gradient``.

    The ``dilation ** 2`` interleaved maps of a dilated convolution are a batch of an undilated one.
    """
    step = gcd(stride, dilation)
    x, dilation = subsampled(x, step), dilation // step
    if stride > step:
        gradient = spread(gradient, x, stride // step)
    padding, channels = (weight.shape[2] - 1) // 2, weight.shape[0]
    return torch.ops.aten.convolution_backward(
        interleaved(gradient, dilation),
        interleaved(x, dilation),
        weight,
        None,
        [1, 1],
        [padding, padding],
        [1, 1],
        False,
        [0, 0],
        channels,
        [False, True, False],
    )[1]


def subsampled(x: Tensor, step: int) -> Tensor:
    """Every ``step``-th row and column of ``(N, C, H, W)``."""
    if step == 1:
        return x
    return x[..., ::step, ::step].contiguous(memory_format=torch.channels_last)


def spread(x: Tensor, like: Tensor, step: int) -> Tensor:
    """``x`` on every ``step``-th row and column of a map of zeros of the shape of ``like``."""
    if step == 1:
        return x
    out = torch.zeros_like(like, memory_format=torch.channels_last)
    out[..., ::step, ::step] = x
    return out


def interleaved(x: Tensor, step: int) -> Tensor:
    """Batch of the ``step ** 2`` maps that every ``step``-th row and column of ``x`` make.

    Args:
        x: ``(N, C, H, W)`` in channels-last format.
        step: Distance of the rows and columns.

    Returns:
        ``(step ** 2 * N, C, ceil(H / step), ceil(W / step))``, zeros where a map ends sooner.
    """
    if step == 1:
        return x
    batch, channels, height, width = x.shape
    rows, columns = -(-height // step), -(-width // step)
    is_even = height == rows * step and width == columns * step
    shape = (step, step, batch, rows, columns, channels)
    out = x.new_empty(shape) if is_even else x.new_zeros(shape)
    for row in range(step):
        for column in range(step):
            part = x[..., row::step, column::step].permute(0, 2, 3, 1)
            out[row, column, :, : part.shape[1], : part.shape[2]] = part
    return out.flatten(0, 2).permute(0, 3, 1, 2)
