"""Aligned Xception of DeepLabv3+ (Chen et al., ECCV 2018), https://arxiv.org/abs/1802.02611.

Fig. 4 -> ARCHS['65']; the rows 41 and 71 and what the figure leaves open (maps, rates, norm) are
those of the authors' code, tensorflow/models ``research/deeplab/core/xception.py``.

    image ─ stem ─ entry flow: 1/4 ─ 1/8 ─ 1/16 ─ middle flow ─ exit flow: 1/32
                           level 0 ╯    ╰ level 1           ╰ level 2         ╰ level 3
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch.nn as nn
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from ..layers import Backbone, atrous_strides, check_out_indices


class Unit(NamedTuple):
    """An Xception module: channels of its three separable convolutions, stride of the last one."""

    channels: tuple[int, int, int]
    stride: int
    skip: str  # 'conv' 1x1, 'sum' of the input, or 'none', which has its ReLU after, not before


def flows(entry: Sequence[tuple[int, int]], num_middle: int) -> tuple[Unit, ...]:
    """Entry flow of (channels, stride), middle and exit flow."""
    return (
        *(Unit((channels,) * 3, stride, 'conv') for channels, stride in entry),
        *[Unit((728, 728, 728), 1, 'sum')] * num_middle,
        Unit((728, 1024, 1024), 2, 'conv'),
        Unit((1536, 1536, 2048), 1, 'none'),
    )


ARCHS = {  # number of layers -> units
    '41': flows(((128, 2), (256, 2), (728, 2)), 8),
    '65': flows(((128, 2), (256, 2), (728, 2)), 16),
    '71': flows(((128, 2), (256, 1), (256, 2), (728, 1), (728, 2)), 16),
}
STEM_WIDTHS = (32, 64)
BN = dict(type='BN', eps=1e-3, momentum=3e-4)


class XceptionModule(nn.Module):
    """Three separable 3x3 convolutions and a skip connection.

    Depth-wise and point-wise convolution have a batch norm each. ReLU is before every separable
    convolution or, without a skip connection, after both of its norms.

    Args:
        in_channels: Channels of the input ``(N, C, H, W)``.
        unit: Channels and kind of skip connection.
        stride: Stride of the last convolution; sizes round up.
        dilations: Of the three convolutions.
        norm_cfg: Config of all normalisation layers.
    """

    def __init__(
        self,
        in_channels: int,
        unit: Unit,
        *,
        stride: int,
        dilations: Sequence[int],
        norm_cfg: dict,
    ) -> None:
        super().__init__()
        self.is_relu_first = unit.skip != 'none'
        widths = (in_channels, *unit.channels)
        self.convs = nn.ModuleList(
            DepthwiseSeparableConvModule(
                widths[i],
                widths[i + 1],
                3,
                stride=stride if i == 2 else 1,
                padding=dilation,
                dilation=dilation,
                norm_cfg=norm_cfg,
                act_cfg=None if self.is_relu_first else dict(type='ReLU'),
            )
            for i, dilation in enumerate(dilations)
        )
        self.skip = None
        if unit.skip == 'sum':
            self.skip = nn.Identity()
        elif unit.skip == 'conv':
            self.skip = ConvModule(
                in_channels, widths[-1], 1, stride, norm_cfg=norm_cfg, act_cfg=None
            )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output ``(N, C_3, H / stride, W / stride)``, and the second convolution's, unstrided.

        The latter is the normed map ``(N, C_2, H, W)`` before the ReLU.
        """
        maps = [x]
        for conv in self.convs:
            maps.append(conv(F.relu(maps[-1]) if self.is_relu_first else maps[-1]))
        out = maps[3] if self.skip is None else maps[3] + self.skip(x)
        return out, maps[2]


@MODELS.register_module()
class Xception(Backbone):
    """Aligned Xception without its classifier, for any image size.

    Every map but the last one is signed: the ReLU comes with the next convolution.

    Args:
        arch: Number of layers, a key of ``ARCHS``.
        in_channels: Channels of the image.
        out_indices: Levels to return. 0 and 1, of stride 4 and 8, are the second convolutions of
            the units that end at stride 8 and 16, after their norm (level 0 is what the decoder
            of DeepLabv3+ reads); 2, of stride 16, is the end of the middle flow and 3, of stride
            32, that of the network. Units after the last level are not built.
        output_stride: 32, 16 or 8: strides beyond it become dilations of the units after.
        multi_grid: Factors of the dilations in the last unit.
        norm_cfg: Config of all normalisation layers.
        frozen_stages: Last stage not to train, from 0 (the stem) to 4; they end at
            stride 4, 8, 16 (with the middle flow) and 32. See ``Backbone``.
        norm_eval: See ``Backbone``.
        with_cp: See ``Backbone``.
        init_cfg: Initialisation config of mmengine, for pre-trained weights.

    Attributes:
        out_channels: Channels of the levels returned.

    Raises:
        ValueError: If an argument is none of the values allowed.
    """

    def __init__(
        self,
        arch: str | int = '65',
        *,
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        output_stride: int = 16,
        multi_grid: Sequence[int] = (1, 1, 1),
        norm_cfg: dict | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            frozen_stages=frozen_stages, norm_eval=norm_eval, with_cp=with_cp, init_cfg=init_cfg
        )
        arch = str(arch)  # --cfg-options make a number of it
        if arch not in ARCHS:
            raise ValueError(f'arch must be one of {list(ARCHS)}, got {arch!r}')
        self.out_indices = check_out_indices(out_indices, 4)
        if not {2, 3} & set(self.out_indices):
            raise ValueError(f'out_indices must have 2 or 3 among them, got {out_indices}')
        if len(multi_grid) != 3 or min(multi_grid) < 1:
            raise ValueError(f'multi_grid must be 3 factors of at least 1, got {multi_grid}')
        norm_cfg = norm_cfg or BN
        units = ARCHS[arch]
        strided = [index for index, unit in enumerate(units) if unit.stride > 1]
        ends = (strided[1], strided[2], strided[3] - 1, len(units) - 1)
        self.out_channels = [
            units[ends[level]].channels[1 if level < 2 else 2] for level in self.out_indices
        ]
        self.levels = {index: level for level, index in enumerate(ends)}  # unit -> level
        self.stem = nn.Sequential(
            ConvModule(in_channels, STEM_WIDTHS[0], 3, 2, 1, norm_cfg=norm_cfg),
            ConvModule(*STEM_WIDTHS, 3, 1, 1, norm_cfg=norm_cfg),
        )
        self.units = nn.ModuleList()
        width = STEM_WIDTHS[1]
        placed = atrous_strides((unit.stride for unit in units), output_stride)
        for index in range(ends[max(self.out_indices)] + 1):
            unit, (stride, dilation) = units[index], placed[index]
            is_last = index == len(units) - 1
            module = XceptionModule(
                width,
                unit,
                stride=stride,
                dilations=[dilation * (factor if is_last else 1) for factor in multi_grid],
                norm_cfg=norm_cfg,
            )
            self.units.append(module)
            width = unit.channels[2]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.09, a=-0.18, b=0.18)
        self.freeze()

    def parts(self) -> list[list[nn.Module]]:
        # The units that give levels 0 and 1, before their stride, begin the next stage.
        ends = [index for index, level in self.levels.items() if level > 1]
        strided = [index for index, level in self.levels.items() if level < 2]
        bounds = [0, strided[0], strided[1], *(end + 1 for end in ends)]
        units = list(self.units)
        parts = [units[begin:end] for begin, end in pairwise(bounds)]
        return [[self.stem], *filter(None, parts)]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(image)  # (N, 64, H / 2, W / 2)
        maps = {}
        for index, unit in enumerate(self.units):
            x, tap = self.run(unit, x)
            level = self.levels.get(index)
            if level in self.out_indices:
                maps[level] = tap if level < 2 else x
        return tuple(maps[level] for level in self.out_indices)
