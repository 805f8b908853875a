"""Cheaper forms of layers with the same outputs, for ``optimize_for_inference``.

Weights are copied, rearranged and frozen: these layers cannot be trained.
"""

from collections.abc import Sequence
from typing import TypeGuard

import torch
import torch.nn as nn
from mmcv.cnn.bricks.wrappers import ConvTranspose2d
from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval


class SubpixelConv(nn.Module):
    """A transposed 2x2 convolution of stride 2 as a 1x1 convolution and a pixel shuffle.

    Each output pixel of such a layer depends on one input pixel, so the four positions are channels
    of a 1x1 convolution, which libraries run several times as fast.

    Args:
        layer: The transposed convolution, without groups or padding.
    """

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        in_channels, out_channels = layer.weight.shape[:2]
        self.conv = nn.Conv2d(in_channels, 4 * out_channels, 1, bias=layer.bias is not None)
        weight = layer.weight.detach().permute(1, 2, 3, 0)  # (out_channels, 2, 2, in_channels)
        self.conv.weight = frozen(weight.reshape(-1, in_channels, 1, 1))
        if layer.bias is not None:
            self.conv.bias = frozen(layer.bias.detach().repeat_interleave(4))

    @staticmethod
    def fits(layer: nn.Module) -> TypeGuard[nn.ConvTranspose2d]:
        """Whether a layer can be written so."""
        return (
            isinstance(layer, nn.ConvTranspose2d)
            and type(layer).forward in (nn.ConvTranspose2d.forward, ConvTranspose2d.forward)
            and layer.kernel_size == layer.stride == (2, 2)
            and layer.padding == layer.output_padding == (0, 0)
            and layer.dilation == (1, 1)
            and layer.groups == 1
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, out_channels, 2 H, 2 W)`` for ``(N, in_channels, H, W)``."""
        return F.pixel_shuffle(self.conv(x), 2)

    def argmax(self, x: Tensor) -> Tensor:
        """``forward(x).argmax(1)``, taken before the shuffle: that moves one number a pixel."""
        scores = self.conv(x).unflatten(1, (-1, 4))  # (N, out_channels, 4, H, W)
        return F.pixel_shuffle(scores.argmax(1).float(), 2).squeeze(1).long()


def stem_with_pool(stem: nn.Sequential) -> nn.Sequential | None:
    """One convolution for a 3x3 stem of stride 2 and the 3x3 average of the image beside it.

    The average counts zeros outside the image, so it is a convolution with weights of 1/9; the
    image's channels pass the activation with a slope of 1.

    Args:
        stem: 3x3 convolution of stride 2 and padding 1 on the image ``(N, C, H, W)``, then
            ``norm_act``.

    Returns:
        Layers that give the stem's channels and after them the ``C`` of the pooled image; ``None``
        if the stem's norm cannot be folded.
    """
    folded = fold_norm(stem)
    if folded is None:
        return None
    weight, bias, act = folded
    out_channels, channels = weight.shape[:2]
    average = torch.eye(channels)[..., None, None].expand(-1, -1, 3, 3) / 9
    both = nn.Conv2d(channels, out_channels + channels, 3, stride=2, padding=1)
    both.weight = frozen(torch.cat([weight, average]))
    both.bias = frozen(torch.cat([bias, torch.zeros(channels)]))
    slopes = nn.PReLU(both.out_channels)
    slopes.weight = frozen(torch.cat([act.weight, torch.ones(channels)]))
    return nn.Sequential(both, slopes)


def fold_norm(layers: nn.Sequential) -> tuple[Tensor, Tensor, nn.PReLU] | None:
    """Weight and bias of a convolution with its norm folded in, and the activation after it.

    Args:
        layers: A convolution and ``norm_act``, in evaluation mode.

    Returns:
        The three; ``None`` if the norm depends on its input (see ``is_constant``).
    """
    match [layer for layer in layers.modules() if not isinstance(layer, nn.Sequential)]:
        case [nn.Conv2d() as conv, norm, nn.PReLU() as act] if is_constant(norm):
            fused = fuse_conv_bn_eval(conv, norm)
            assert fused.bias is not None  # the norm's shift
            return fused.weight, fused.bias, act
    return None


def is_constant(norm: nn.Module) -> TypeGuard[_BatchNorm]:
    """Whether a norm has constant factors at inference: batch normalisation with statistics."""
    return isinstance(norm, _BatchNorm) and norm.running_mean is not None


class PooledDepthwise(nn.Module):
    """A depth-wise 3x3 convolution followed by adaptive average pooling, as one convolution.

    Where the map is twice the pooled size, every window is 2x2: a 4x4 convolution of stride 2.
    Where it is one and a half times an even size, windows of 2x2 begin at rows 0 and 1 of every
    three: a 5x5 convolution of stride 3 for each of the four positions. Other sizes take two steps.

    Args:
        weight: Of the 3x3 convolution, ``(C, 1, 3, 3)``; its padding is 1.
        bias: ``(C,)``.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = frozen(weight), frozen(bias)
        half = F.avg_pool2d(F.pad(weight, (1, 1, 1, 1)), 2, stride=1)  # (C, 1, 4, 4)
        corners = [F.pad(half, (q, 1 - q, p, 1 - p)) for p in (0, 1) for q in (0, 1)]
        self.half_weight = frozen(half)
        self.two_thirds_weight = frozen(torch.cat(corners, dim=1).flatten(0, 1).unsqueeze(1))
        self.two_thirds_bias = frozen(bias.repeat_interleave(4))

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        """``(N, C, *size)`` for ``(N, C, H, W)``."""
        sides = tuple(x.shape[2:])
        channels = len(self.bias)
        is_fixed = all(isinstance(side, int) for side in sides)  # not in an export for any size
        if is_fixed and sides == (2 * size[0], 2 * size[1]):
            return F.conv2d(x, self.half_weight, self.bias, stride=2, padding=1, groups=channels)
        if is_fixed and all(2 * a == 3 * b for a, b in zip(sides, size, strict=True)):
            weight, bias = self.two_thirds_weight, self.two_thirds_bias
            x = F.conv2d(x, weight, bias, stride=3, padding=1, groups=channels)
            return F.pixel_shuffle(x, 2)
        x = F.conv2d(x, self.weight, self.bias, padding=1, groups=channels)
        return F.adaptive_avg_pool2d(x, (size[0], size[1]))


def frozen(value: Tensor) -> nn.Parameter:
    """``value`` as a parameter without gradient, in contiguous memory of its own.

    LiteRT's converter misreads other weights without a word.
    """
    value = value.detach().clone(memory_format=torch.contiguous_format)
    return nn.Parameter(value, requires_grad=False)
