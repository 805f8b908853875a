"""EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (Tan and Le, ICML 2019),
https://arxiv.org/abs/1905.11946, with EfficientNet-Lite and the encoders of ESeg (Meng et al.,
2022), https://arxiv.org/abs/2203.12683.

EfficientNet Table 1 -> STAGES; ESeg Table 1 and Sec. 3.4 -> the ``eseg-*`` rows of ARCHS.

    image ─ stem ─ stage 1 ─ 2 ─ 3 ─ 4 ─ 5 ─ 6 ─ 7
                   P1 1/2   P2  P3      P4      P5 1/32
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from math import ceil
from typing import NamedTuple

import torch.nn as nn
from mmseg.registry import MODELS
from torch import Tensor

from ..layers import (
    Backbone,
    FusedMBConv,
    MBConv,
    atrous_strides,
    check_out_indices,
    he_fan_out_,
    same_conv,
)


class Stage(NamedTuple):
    """A row of EfficientNet's Table 1."""

    num_blocks: int
    kernel_size: int
    stride: int
    expand_ratio: int
    out_channels: int


class Arch(NamedTuple):
    """Scaling of a named network, and its kind: a key of ``ACTIVATIONS``."""

    width: float
    depth: float
    kind: str = 'mbconv'


STEM_CHANNELS = 32
STAGES = (  # of B0
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
LAST_STAGES = (0, 1, 2, 4, 6)  # of levels P1 to P5
ARCHS = {
    'b0': Arch(1.0, 1.0),
    'b1': Arch(1.0, 1.1),
    'b2': Arch(1.1, 1.2),
    'b3': Arch(1.2, 1.4),
    'b4': Arch(1.4, 1.8),
    'b5': Arch(1.6, 2.2),
    'b6': Arch(1.8, 2.6),
    'b7': Arch(2.0, 3.1),
    'lite0': Arch(1.0, 1.0, 'lite'),
    'lite1': Arch(1.0, 1.1, 'lite'),
    'lite2': Arch(1.1, 1.2, 'lite'),
    'lite3': Arch(1.2, 1.4, 'lite'),
    'lite4': Arch(1.4, 1.8, 'lite'),
    'eseg-s': Arch(1.0, 1.1),
    'eseg-m': Arch(1.4, 1.8),
    'eseg-l': Arch(2.0, 3.1),
    'eseg-lite-s': Arch(0.4, 0.6, 'fused'),
    'eseg-lite-m': Arch(0.6, 1.0, 'fused'),
    'eseg-lite-l': Arch(1.0, 1.0, 'fused'),
}
# 'lite' (EfficientNet-Lite) has no squeeze-and-excitation and leaves the stem's width and the depth
# of the first and the last stage unscaled; 'fused' (ESeg-Lite) is built of Fused-MBConv.
ACTIVATIONS = {'mbconv': 'SiLU', 'lite': 'ReLU6', 'fused': 'ReLU'}
PADDINGS = ('same', 'symmetric')
BN = dict(type='BN', eps=1e-3, momentum=0.01)


def round_channels(channels: int, width: float) -> int:
    """``channels * width`` rounded to a multiple of 8, by at most 10 % downwards."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


@MODELS.register_module()
class EfficientNet(Backbone):
    """EfficientNet without its classifier: maps at strides 2 to 32, for any image size.

    Args:
        arch: Key of ``ARCHS``.
        width: Factor of all channels instead of the named network's.
        depth: Factor of the numbers of blocks instead of the named network's.
        in_channels: Channels of the image.
        out_indices: Levels to return; level ``i`` is P(i+1), of stride ``2 ** (i + 1)`` and
            ``ceil`` sizes. Stages after the last one are not built.
        output_stride: 32, 16 or 8: strides beyond it become dilations.
        padding: ``'same'`` pads as TensorFlow does, more at the bottom and right of a strided
            convolution (weights that come from TensorFlow need it); ``'symmetric'`` pads equally.
        drop_path_rate: Probability to drop the last block's branch in training, growing linearly
            from the first one's 0.
        norm_cfg: Config of all normalisation layers.
        frozen_stages: Last stage not to train, from 0 (the stem) to 7; see ``Backbone``.
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
        arch: str = 'b0',
        *,
        width: float | None = None,
        depth: float | None = None,
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2, 3, 4),
        output_stride: int = 32,
        padding: str = 'same',
        drop_path_rate: float = 0.0,
        norm_cfg: dict | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            frozen_stages=frozen_stages, norm_eval=norm_eval, with_cp=with_cp, init_cfg=init_cfg
        )
        if arch not in ARCHS:
            raise ValueError(f'arch must be one of {list(ARCHS)}, got {arch!r}')
        for name, factor in (('width', width), ('depth', depth)):
            if factor is not None and factor <= 0:
                raise ValueError(f'{name} must be above 0, got {factor}')
        self.out_indices = check_out_indices(out_indices, len(LAST_STAGES))
        if padding not in PADDINGS:
            raise ValueError(f'padding must be one of {PADDINGS}, got {padding!r}')
        kind = ARCHS[arch].kind
        stem_width, stages = scale(ARCHS[arch], width, depth)
        stages = stages[: LAST_STAGES[max(self.out_indices)] + 1]
        conv = partial(
            same_conv,
            padding=padding,
            norm_cfg=norm_cfg or BN,
            act_cfg=dict(type=ACTIVATIONS[kind]),
        )
        build_block: Callable[..., nn.Module]
        if kind == 'fused':
            build_block = partial(FusedMBConv, conv=conv)
        else:
            build_block = partial(MBConv, conv=conv, use_se=kind == 'mbconv')

        self.out_channels = [stages[LAST_STAGES[i]].out_channels for i in self.out_indices]
        self.stem = conv(in_channels, stem_width, 3, stride=2)
        self.stages = nn.ModuleList()
        strides = [s for stage in stages for s in [stage.stride] + [1] * (stage.num_blocks - 1)]
        placed = enumerate(atrous_strides(strides, output_stride))
        in_width = stem_width
        for stage in stages:
            blocks = []
            for index, (stride, dilation) in islice(placed, stage.num_blocks):
                block = build_block(
                    in_width,
                    stage.out_channels,
                    kernel_size=stage.kernel_size,
                    expand_ratio=stage.expand_ratio,
                    stride=stride,
                    dilation=dilation,
                    drop_path=drop_path_rate * index / len(strides),
                )
                blocks.append(block)
                in_width = stage.out_channels
            self.stages.append(nn.Sequential(*blocks))
        he_fan_out_(self)
        self.freeze()

    def parts(self) -> list[list[nn.Module]]:
        return [[self.stem], *([stage] for stage in self.stages)]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(image)  # (N, C, H / 2, W / 2)
        outputs = []
        for stage in self.stages:
            x = self.run(stage, x)
            outputs.append(x)
        return tuple(outputs[LAST_STAGES[i]] for i in self.out_indices)


def scale(arch: Arch, width: float | None, depth: float | None) -> tuple[int, list[Stage]]:
    """Channels of the stem and the stages of a scaled network."""
    width = arch.width if width is None else width
    depth = arch.depth if depth is None else depth
    is_lite = arch.kind == 'lite'
    stages = []
    for index, stage in enumerate(STAGES):
        is_fixed = is_lite and index in (0, len(STAGES) - 1)
        num_blocks = stage.num_blocks if is_fixed else ceil(stage.num_blocks * depth)
        channels = round_channels(stage.out_channels, width)
        stages.append(stage._replace(num_blocks=num_blocks, out_channels=channels))
    return STEM_CHANNELS if is_lite else round_channels(STEM_CHANNELS, width), stages
