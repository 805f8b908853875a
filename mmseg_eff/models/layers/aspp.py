"""Atrous spatial pyramid pooling of DeepLabv3 (Chen et al., 2017), https://arxiv.org/abs/1706.05587,
and DeepLabv3+ (Chen et al., ECCV 2018), https://arxiv.org/abs/1802.02611.

          ┌─ image pooling, 1x1, upsample ─┐
    map ──┼─ 1x1 ──────────────────────────┼─ concat ─ 1x1 ─ dropout
          └─ 3x3 at each atrous rate ──────┘

mmseg's ``ASPPHead`` ends in a 3x3 convolution, drops whole channels before the classifier, pools
the whole image only and takes a rate of 1 for a 1x1 convolution; the authors' weights fit this one.
"""

from collections.abc import Sequence

import torch
import torch.nn as nn
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from torch import Tensor
from torch.nn import functional as F

from .norm import normalise
from .output_stride import check_output_stride

RATED_STRIDE = 16  # the output stride that atrous rates are written for
DEEPLAB_BN = dict(type='BN', eps=1e-5, momentum=3e-4)


class ASPP(nn.Module):
    """Context of several sizes: image pooling, a 1x1 and atrous 3x3 convolutions in parallel.

    Every convolution is followed by normalisation and ReLU. With ``atrous_rates=()`` it is the
    authors' light form for MobileNetV2.

    Args:
        in_channels: Channels of the map ``(N, C, H, W)``.
        channels: Channels of every branch and of the output ``(N, channels, H, W)``.
        atrous_rates: Rates for output stride 16; each is multiplied by ``16 / output_stride``.
        output_stride: 8, 16 or 32, of the map. Passing 16 whatever the map is keeps the rates.
        use_separable: Separable 3x3 convolutions (DeepLabv3+) in place of full ones (DeepLabv3).
        use_image_pool: With the pooled branch; without it Cityscapes gains and VOC loses.
        image_pool_size: Size (h, w) to pool over, that of the map of a training crop. A larger map
            is averaged over every window of it. ``None`` averages the whole map.
        dropout_ratio: Dropout after the projection.
        norm_cfg: Config of all normalisation layers.
        align_corners: Convention of the upsampling of what is pooled.
        layer_cfgs: ``conv_cfg`` and ``act_cfg`` of all convolutions; see ``ConvModule``.

    Raises:
        ValueError: If an argument is none of the values allowed.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        *,
        atrous_rates: Sequence[int] = (6, 12, 18),
        output_stride: int = 16,
        use_separable: bool = True,
        use_image_pool: bool = True,
        image_pool_size: Sequence[int] | None = None,
        dropout_ratio: float = 0.1,
        norm_cfg: dict | None = None,
        align_corners: bool = True,
        **layer_cfgs,
    ) -> None:
        super().__init__()
        layer_cfgs['norm_cfg'] = norm_cfg or DEEPLAB_BN
        check_output_stride(output_stride)
        rates = [
            scaled_rate(rate, output_stride, 'atrous_rates') for rate in check_rates(atrous_rates)
        ]
        self.branches = nn.ModuleList()
        if use_image_pool:
            pool = PooledConv(
                in_channels,
                channels,
                pool_size=image_pool_size,
                align_corners=align_corners,
                **layer_cfgs,
            )
            self.branches.append(pool)
        self.branches.append(ConvModule(in_channels, channels, 1, **layer_cfgs))
        for rate in rates:
            conv = same_size_conv(
                in_channels,
                channels,
                dilation=(rate, rate),
                use_separable=use_separable,
                **layer_cfgs,
            )
            self.branches.append(conv)
        self.projection = ConvModule(len(self.branches) * channels, channels, 1, **layer_cfgs)
        self.dropout = nn.Dropout(dropout_ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([branch(x) for branch in self.branches], dim=1)
        return self.dropout(self.projection(x))


class PooledConv(nn.Module):
    """Average pooling with stride 1, 1x1 convolution, normalisation, ReLU, and the old size again.

    A single pooled value is normalised in training too, by the running statistics.

    Args:
        in_channels: Channels of the map ``(N, C, H, W)``.
        out_channels: Channels of the output, ``(N, out_channels, H, W)``.
        pool_size: Size (h, w) to pool over where the map is larger; ``None`` takes the map's.
        grid_size: Divides that size to give the window, rounded up: (1, 1) is all of it.
        align_corners: Convention of the upsampling.
        layer_cfgs: ``conv_cfg``, ``norm_cfg`` and ``act_cfg`` of the convolution.

    Raises:
        ValueError: If a size is not two whole numbers of 1 or more.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        pool_size: Sequence[int] | None = None,
        grid_size: Sequence[int] = (1, 1),
        align_corners: bool = True,
        **layer_cfgs,
    ) -> None:
        super().__init__()
        self.pool_size = None if pool_size is None else pair(pool_size, 'image_pool_size')
        self.grid_size = pair(grid_size, 'grid_size')
        self.align_corners = align_corners
        self.conv = ConvModule(in_channels, out_channels, 1, **layer_cfgs)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        sides = list(size)
        if self.pool_size is not None:
            sides = [min(both) for both in zip(self.pool_size, size, strict=True)]
        kernel = [-(-side // grid) for side, grid in zip(sides, self.grid_size, strict=True)]
        if tuple(kernel) == tuple(size):
            x = x.mean((2, 3), keepdim=True)
        else:
            x = F.avg_pool2d(x, kernel, stride=1)
        x = normalise(self.conv.norm, self.conv.conv(x))
        if self.conv.with_activation:
            x = self.conv.activate(x)
        return F.interpolate(x, size, mode='bilinear', align_corners=self.align_corners)


def same_size_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: Sequence[int] = (3, 3),
    *,
    dilation: Sequence[int] = (1, 1),
    use_separable: bool,
    **layer_cfgs,
) -> nn.Module:
    """A convolution of stride 1 with normalisation and activation, that keeps the size.

    Args:
        use_separable: A depth-wise convolution and a 1x1, with normalisation and activation after
            both, and the authors' initial weights.
        layer_cfgs: ``conv_cfg``, ``norm_cfg`` and ``act_cfg``; see ``ConvModule``.
    """
    padding = tuple(r * (k - 1) // 2 for r, k in zip(dilation, kernel_size, strict=True))
    build = DepthwiseSeparableConvModule if use_separable else ConvModule
    conv = build(
        in_channels,
        out_channels,
        kernel_size,
        padding=padding,
        dilation=dilation,
        **layer_cfgs,
    )
    if use_separable:
        for part, std in ((conv.depthwise_conv, 0.33), (conv.pointwise_conv, 0.06)):
            nn.init.trunc_normal_(part.conv.weight, std=std, a=-2 * std, b=2 * std)
    return conv


def pair(value: int | Sequence[int] | None, name: str) -> tuple[int, int]:
    """Height and width of a number for both or of two.

    Raises:
        ValueError: If they are not whole numbers of 1 or more.
    """
    both = [value, value] if isinstance(value, int) else value
    if isinstance(both, Sequence) and len(both) == 2:
        height, width = both
        if all(isinstance(side, int) and side >= 1 for side in both):
            return height, width
    raise ValueError(f'{name} must be two whole numbers (h, w) of 1 or more, got {value!r}')


def check_rates(rates: Sequence[int]) -> tuple[int, ...]:
    """``rates`` as they are.

    Raises:
        ValueError: If they are not whole numbers of 1 or more.
    """
    if not isinstance(rates, Sequence) or not all(isinstance(r, int) and r >= 1 for r in rates):
        raise ValueError(f'atrous_rates must be whole numbers of 1 or more, got {rates!r}')
    return tuple(rates)


def scaled_rate(rate: int, output_stride: int, name: str) -> int:
    """An atrous rate written for output stride 16, at another one.

    Raises:
        ValueError: If the rate would not be an integer.
    """
    if rate * RATED_STRIDE % output_stride:
        raise ValueError(f'{name} must be even at output_stride={output_stride}, got {rate}')
    return rate * RATED_STRIDE // output_stride
