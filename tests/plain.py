"""Convolution blocks of mmcv in plain tensor operations, for the tests of equations."""

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn
from torch.nn import functional as F


def conv_norm_relu(block: ConvModule, x: Tensor, *, dilation=1, groups: int = 1) -> Tensor:
    """``block`` in evaluation mode, with the padding that keeps the size."""
    weight, norm = block.conv.weight, block.norm
    rates = (dilation, dilation) if isinstance(dilation, int) else dilation
    padding = [r * (k // 2) for r, k in zip(rates, weight.shape[2:], strict=True)]
    x = F.conv2d(x, weight, padding=padding, dilation=rates, groups=groups)
    scale = norm.weight / (norm.running_var + 1e-5).sqrt()
    shift = norm.bias - norm.running_mean * scale
    return (x * scale[:, None, None] + shift[:, None, None]).clamp(min=0)


def separable(block: nn.Module, x: Tensor, *, dilation=1) -> Tensor:
    """Depth-wise convolution, norm, ReLU, 1x1 convolution, norm, ReLU."""
    x = conv_norm_relu(block.depthwise_conv, x, dilation=dilation, groups=x.shape[1])
    return conv_norm_relu(block.pointwise_conv, x)


@torch.no_grad()
def with_statistics(net: nn.Module) -> nn.Module:
    """``net`` in evaluation mode, its norms away from the identity."""
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.uniform_(-0.5, 0.5)
        norm.running_var.uniform_(0.5, 2)
        norm.weight.uniform_(0.5, 2)
        norm.bias.uniform_(-0.2, 0.5)
    return net.eval()
