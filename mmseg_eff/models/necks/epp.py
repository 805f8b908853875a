"""The decoder of ESPNetv2 (Mehta et al., CVPR 2019) with efficient pyramid pooling (EPP).

EfficientPyramidPool is the pyramid module, GatedMerge the merging of encoder maps, EPP the decoder,
as in the authors' final code (EdgeNets).

    coarsest map ─ pyramid ─ x2 ─ + gated next map ─ norm, act ─ pyramid ─ x2 ─ + … ─ pyramid ─ p

The official last pyramid ends in the classifier; here it ends before it, and a 1x1 classifier with
bias (``FCNHead`` without convolutions) is the same network.
"""

from collections.abc import Sequence
from math import ceil, gcd

import torch
import torch.nn as nn
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from ..layers import KAIMING_FAN_OUT, PooledDepthwise, check_channels, fold_norm, norm_act

SCALES = (2.0, 1.5, 1.0, 0.5, 0.1)
MIN_SIZE = 5  # of a scaled map's sides
BN = dict(type='BN')


class EfficientPyramidPool(nn.Module):
    """Depth-wise 3x3 convolutions at several scales, fused channel by channel (EPP).

    Project to few channels; at each scale resize, convolve and resize back; concatenate; shuffle so
    that the scales of one channel lie side by side; fuse them by a grouped 3x3 convolution; expand.

    Args:
        in_channels: Channels of the input ``(N, C, H, W)``.
        proj_channels: Channels at each scale.
        out_channels: Channels of the output; ``None`` ends with the ``proj_channels`` fused ones.
        scales: Scales of the branches; a scaled side is rounded up and at least 5.
        norm_cfg: Config of the normalisation layers.
    """

    def __init__(
        self,
        in_channels: int,
        proj_channels: int,
        out_channels: int | None = None,
        *,
        scales: Sequence[float] = SCALES,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        norm_cfg = norm_cfg or BN
        self.scales = tuple(scales)
        pyramid_channels = len(self.scales) * proj_channels
        self.project = nn.Sequential(
            nn.Conv2d(in_channels, proj_channels, 1, bias=False), norm_act(proj_channels, norm_cfg)
        )
        self.branches = nn.ModuleList(
            nn.Conv2d(proj_channels, proj_channels, 3, padding=1, groups=proj_channels, bias=False)
            for _ in self.scales
        )
        self.norm_act = norm_act(pyramid_channels, norm_cfg)
        self.fuse = nn.Sequential(
            nn.Conv2d(
                pyramid_channels, proj_channels, 3, padding=1, groups=proj_channels, bias=False
            ),
            norm_act(proj_channels, norm_cfg),
        )
        self.expand: nn.Module = nn.Identity()
        if out_channels is not None:
            self.expand = nn.Sequential(
                nn.Conv2d(proj_channels, out_channels, 1, bias=False),
                norm_act(out_channels, norm_cfg),
            )
        self.folded_fuse: nn.ModuleList | None = None  # of fold()

    @torch.no_grad()
    def fold(self) -> None:
        """Fuse scale by scale for inference, in place: nothing is concatenated or shuffled.

        The grouped convolution over the shuffled scales is a sum of depth-wise ones. The pyramid's
        normalisation goes into the branches, for it commutes with resizing: weights sum to 1.
        """
        branches = depthwise(torch.cat(list(self.branches.parameters())), None).eval()
        pyramid = fold_norm(nn.Sequential(branches, self.norm_act))
        fuse = fold_norm(self.fuse)
        if pyramid is None or fuse is None:
            return
        weights, biases, act = pyramid
        fuse_weights, fuse_bias, self.act = fuse
        num = len(self.scales)
        parts = (weights.chunk(num), biases.chunk(num), act.weight.chunk(num))
        self.folded_fuse = nn.ModuleList()
        for i, (weight, bias, slope) in enumerate(zip(*parts, strict=True)):
            if self.scales[i] > 1:
                self.branches[i] = PooledDepthwise(weight, bias)
            else:
                self.branches[i] = depthwise(weight.clone(), bias.clone())
            slopes = nn.PReLU(len(slope))
            slopes.weight = nn.Parameter(slope.clone())
            weight = fuse_weights[:, i : i + 1].clone()
            self.folded_fuse.append(
                nn.Sequential(slopes, depthwise(weight, None if i else fuse_bias))
            )
        del self.norm_act, self.fuse

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x)
        maps = (
            self.at_scale(x, scale, branch)
            for scale, branch in zip(self.scales, self.branches, strict=True)
        )
        if self.folded_fuse is not None:
            parts = (fuse(part) for fuse, part in zip(self.folded_fuse, maps, strict=True))
            return self.expand(self.act(sum(parts)))
        x = self.norm_act(torch.cat(list(maps), dim=1))
        return self.expand(self.fuse(shuffle(x, len(self.scales))))

    def at_scale(self, x: Tensor, scale: float, conv: nn.Module) -> Tensor:
        """Resize ``x`` by ``scale``, convolve it and resize back."""
        size = x.shape[2:]
        scaled = [max(MIN_SIZE, ceil(side * scale)) for side in size]
        if scale == 1:
            return conv(x)
        if scale < 1:
            return upsample(conv(pool(x, scaled)), size)
        x = upsample(x, scaled)
        return conv(x, size) if isinstance(conv, PooledDepthwise) else pool(conv(x), size)


class GatedMerge(nn.Module):
    """An encoder map at the decoder's width, weighted by its own global context.

    A grouped 3x3 convolution makes the width; a sigmoid gate from the globally pooled map scales
    each channel. The gate depends on the extent of the input: windows and full images differ.

    Args:
        in_channels: Channels of the encoder's map ``(N, C, H, W)``.
        out_channels: Channels of the output ``(N, out_channels, H, W)``.
        norm_cfg: Config of the normalisation layer.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, norm_cfg: dict | None = None
    ) -> None:
        super().__init__()
        groups = gcd(in_channels, out_channels)
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, groups=groups, bias=False),
            norm_act(out_channels, norm_cfg or BN),
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        if not (x.requires_grad and x.is_contiguous(memory_format=torch.channels_last)):
            return self.conv(x) * self.gate(x)
        # The gradient of torch's pooling to 1x1 has no memory format, and would spoil that of x.
        pooled = x.permute(0, 2, 3, 1).mean((1, 2))[..., None, None]
        return self.conv(x) * self.gate[1:](pooled)


@MODELS.register_module()
class EPP(BaseModule):
    """ESPNetv2's decoder as a neck: one map at the size of the finest input map.

    Args:
        in_channels: Channels of the backbone's maps, finest first; each is about half the size of
            the one before it.
        channels: Decoder widths after the pyramids, from the coarsest map up, one fewer than maps.
        proj_channels: Channels at each scale of a pyramid, and of the output. The official code
            takes half the number of classes, at most 16 (10 for 20 or 21).
        scales: Scales of the pyramids.
        norm_cfg: Config of all normalisation layers.
        init_cfg: Initialisation config of mmengine; the authors' Kaiming initialisation without it.

    Attributes:
        out_channels: Channels of the level returned.

    Raises:
        ValueError: If the numbers of maps and widths do not fit, at construction; if the maps given
            are not those described, when called.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: Sequence[int] = (64, 48, 32),
        proj_channels: int = 16,
        *,
        scales: Sequence[float] = SCALES,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or KAIMING_FAN_OUT)
        if len(in_channels) != len(channels) + 1:
            raise ValueError(
                f'channels must have one value fewer than in_channels, got {list(channels)} for '
                f'{list(in_channels)}'
            )
        norm_cfg = norm_cfg or BN
        self.in_channels = tuple(in_channels)
        self.out_channels = [proj_channels]
        coarsest, *skips = reversed(self.in_channels)
        inputs, outputs = (coarsest, *channels), (*channels, None)
        self.pyramids = nn.ModuleList(
            EfficientPyramidPool(width, proj_channels, out, scales=scales, norm_cfg=norm_cfg)
            for width, out in zip(inputs, outputs, strict=True)
        )
        self.merges = nn.ModuleList(
            GatedMerge(skip, width, norm_cfg=norm_cfg)
            for skip, width in zip(skips, channels, strict=True)
        )
        self.norm_acts = nn.ModuleList(norm_act(width, norm_cfg) for width in channels)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor]:
        check_channels('EPP', self.in_channels, inputs)
        coarsest, *skips = reversed(inputs)
        x = self.pyramids[0](coarsest)
        for skip, merge, norm, pyramid in zip(
            skips, self.merges, self.norm_acts, self.pyramids[1:], strict=True
        ):
            x = pyramid(norm(upsample(x, skip.shape[2:]) + merge(skip)))
        return (x,)


def upsample(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear with aligned corners, as everywhere in the official decoder."""
    return F.interpolate(x, size=tuple(size), mode='bilinear', align_corners=True)


def pool(x: Tensor, size: Sequence[int]) -> Tensor:
    """Adaptive average pooling; where the windows are equal, as the pooling that runtimes know."""
    sides = x.shape[2:]  # free in an exported graph for any size, and then not compared
    if all(isinstance(a, int) and a % b == 0 for a, b in zip(sides, size, strict=True)):
        return F.avg_pool2d(x, [a // b for a, b in zip(sides, size, strict=True)])
    return F.adaptive_avg_pool2d(x, (size[0], size[1]))


def shuffle(x: Tensor, groups: int) -> Tensor:
    """Channel i of every group side by side, for each i; in the memory format of ``x``."""
    if not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
        x = x.permute(0, 2, 3, 1).unflatten(3, (groups, -1)).transpose(3, 4)
        return x.flatten(3).permute(0, 3, 1, 2)
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


def depthwise(weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """A depth-wise 3x3 convolution of given weights ``(C, 1, 3, 3)``."""
    conv = nn.Conv2d(len(weight), len(weight), 3, padding=1, groups=len(weight), bias=False)
    conv.weight = nn.Parameter(weight)
    conv.bias = None if bias is None else nn.Parameter(bias)
    return conv
