"""Mobile inverted bottlenecks (EfficientNet, Table 1) and their fused form (ESeg-Lite)."""

from collections.abc import Callable

import torch.nn as nn
from mmcv.cnn import ConvModule
from mmcv.cnn.bricks import DropPath
from torch import Tensor
from torch.nn import functional as F


def same_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: str,
    norm_cfg: dict,
    act_cfg: dict | None,
) -> ConvModule:
    """A convolution without bias, its normalisation and activation: ``ceil(H / stride)`` rows.

    Args:
        padding: ``'same'`` is TensorFlow's, more at the bottom and right of a strided convolution;
            ``'symmetric'`` pads equally. Without a stride they are the same.
    """
    is_uneven = padding == 'same' and stride > 1
    return ConvModule(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        dilation * (kernel_size - 1) // 2,
        dilation,
        groups,
        conv_cfg=dict(type='Conv2dAdaptivePadding') if is_uneven else None,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
    )


class SqueezeExcitation(nn.Module):
    """Channel gates from the globally pooled map.

    Args:
        channels: Channels of the map ``(N, C, H, W)``; the shape stays.
        squeeze_channels: Channels between the two 1x1 convolutions.
    """

    def __init__(self, channels: int, squeeze_channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeeze_channels, 1)
        self.expand = nn.Conv2d(squeeze_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True)
        return x * self.expand(F.silu(self.reduce(pooled))).sigmoid()


class MBConv(nn.Module):
    """Inverted residual: 1x1 expansion, depth-wise convolution, gates, linear 1x1 projection.

    Args:
        in_channels: Channels of the input ``(N, C, H, W)``.
        out_channels: Channels of the output.
        conv: Builder of a convolution with normalisation and activation: ``conv(in_channels,
            out_channels, kernel_size, stride=…, dilation=…, groups=…, act_cfg=…)``.
        kernel_size: Size of the depth-wise convolution.
        expand_ratio: Factor of ``in_channels`` inside the block.
        stride: Stride of the depth-wise convolution; sizes round up.
        dilation: Dilation of it.
        use_se: With squeeze-and-excitation, to a quarter of ``in_channels``.
        drop_path: Probability to drop the block's branch in training.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        conv: Callable[..., nn.Module],
        kernel_size: int,
        expand_ratio: int,
        stride: int,
        dilation: int,
        use_se: bool,
        drop_path: float,
    ) -> None:
        super().__init__()
        width = in_channels * expand_ratio
        self.expand = conv(in_channels, width, 1) if expand_ratio > 1 else nn.Identity()
        self.depthwise = conv(
            width, width, kernel_size, stride=stride, dilation=dilation, groups=width
        )
        squeeze = max(1, in_channels // 4)
        self.se = SqueezeExcitation(width, squeeze) if use_se else nn.Identity()
        self.project = conv(width, out_channels, 1, act_cfg=None)
        self.use_residual = stride == 1 and in_channels == out_channels
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.se(self.depthwise(self.expand(x))))
        return x + self.drop_path(out) if self.use_residual else out


class FusedMBConv(nn.Module):
    """MBConv whose expansion and depth-wise convolution are one dense convolution.

    Without expansion the block is that convolution alone. For the arguments see ``MBConv``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        conv: Callable[..., nn.Module],
        kernel_size: int,
        expand_ratio: int,
        stride: int,
        dilation: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        has_expansion = expand_ratio > 1
        width = in_channels * expand_ratio if has_expansion else out_channels
        self.fused = conv(in_channels, width, kernel_size, stride=stride, dilation=dilation)
        self.project = (
            conv(width, out_channels, 1, act_cfg=None) if has_expansion else nn.Identity()
        )
        self.use_residual = stride == 1 and in_channels == out_channels
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.fused(x))
        return x + self.drop_path(out) if self.use_residual else out
