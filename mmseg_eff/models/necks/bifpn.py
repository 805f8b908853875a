"""Bi-directional feature pyramid (BiFPN) of EfficientDet (Tan et al., CVPR 2020),
https://arxiv.org/abs/1911.09070, in the form of ESeg (Meng et al., 2022),
https://arxiv.org/abs/2203.12683.

ESeg Fig. 3 -> BiFPN, EfficientDet Sec. 3.3 -> FusionNode. One cell over P2 to P5:

    p5 ──┬───────────────────────────┬─> p5''      downwards: nearest neighbour to the next size
         v                           │
    p4 ──┬─> p4' ────────────┬─> p4''┘             upwards: 3x3 max pooling of stride 2
    p3 ──┬─> p3' ────┬─> p3''┘
    p2 ──┴─> p2''────┘

Differs from EfficientDet: an input's 1x1 convolution is shared by both of its uses, and the levels
beyond the backbone's are pooled at the last map's width, before these convolutions (ESeg's sizes
follow only so). ESeg does not say how nodes weight their inputs; EfficientDet's fast normalised
fusion is the default here.
"""

from collections.abc import Sequence

import torch
import torch.nn as nn
from mmcv.cnn import Scale, build_activation_layer, build_norm_layer
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..layers import (
    check_channels,
    he_fan_out_,
    is_constant,
    normalise,
    pooled_levels,
    weighted_sum,
)

FUSIONS = ('fast', 'softmax', 'sum')
EPSILON = 1e-4  # of the fast normalised fusion
BN = dict(type='BN', eps=1e-3, momentum=0.01)
ACT = dict(type='SiLU')


class FusionNode(nn.Module):
    """Weighted sum of maps, activation, separable 3x3 convolution, normalisation.

    Args:
        channels: Channels of the inputs ``(N, C, H, W)`` and of the output.
        num_inputs: How many maps it takes, all of one size.
        fusion: ``'fast'``: relu(w) / (sum of relu(w) + 1e-4); ``'softmax'``; ``'sum'``: no weights.
        norm_cfg: Config of the normalisation layer.
        act_cfg: Config of the activation.
    """

    def __init__(
        self, channels: int, num_inputs: int, *, fusion: str, norm_cfg: dict, act_cfg: dict
    ) -> None:
        super().__init__()
        self.fusion = fusion
        if fusion != 'sum':
            self.fusion_weights = nn.Parameter(torch.ones(num_inputs))
        self.constants = (1.0,) * num_inputs if fusion == 'sum' else None
        self.act = build_activation_layer({'inplace': False, **act_cfg})
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1)
        self.norm = build_norm_layer(norm_cfg, channels)[1]

    def coefficients(self) -> Tensor:
        """Factors of the inputs, ``(num_inputs,)``."""
        if self.constants is not None:
            return torch.tensor(self.constants)
        if self.fusion == 'softmax':
            return self.fusion_weights.softmax(0)
        weights = self.fusion_weights.relu()
        return weights / (weights.sum() + EPSILON)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        factors = self.constants or self.coefficients()
        x = self.act(weighted_sum(inputs, factors))
        return normalise(self.norm, self.pointwise(self.depthwise(x)))

    def fix(self, factors: Sequence[float], scale: float) -> None:
        """Make ``factors`` constants and give the output times ``scale``; see ``BiFPN.fold``."""
        if hasattr(self, 'fusion_weights'):
            del self.fusion_weights
        self.constants = tuple(factors)
        if is_constant(self.norm):
            self.pointwise = fuse_conv_bn_eval(self.pointwise, self.norm)
            for parameter in self.pointwise.parameters():
                parameter.mul_(scale)
            self.norm = nn.Identity()
        elif scale != 1:
            self.norm = nn.Sequential(self.norm, Scale(scale))


class BiFPNCell(nn.Module):
    """One pass down and one up; every level keeps its size.

    Args:
        channels: Channels of all levels.
        num_levels: Number of levels, 2 or more.
        kwargs: Further arguments of ``FusionNode``.
    """

    def __init__(self, channels: int, num_levels: int, **kwargs) -> None:
        super().__init__()
        inner = range(1, num_levels - 1)
        inputs_up = [2, *(3 for _ in inner), 2]
        self.down = nn.ModuleList(FusionNode(channels, 2, **kwargs) for _ in inner)
        self.up = nn.ModuleList(FusionNode(channels, num, **kwargs) for num in inputs_up)

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Maps of the levels to maps of the same sizes, finest first."""
        *_, last = tops = list(inputs)
        middle = [None, *self.down, None]
        for level in range(len(inputs) - 2, 0, -1):
            finer = inputs[level]
            tops[level] = last = middle[level]([finer, upsample_to(last, finer)])
        outputs = [self.up[0]([inputs[0], upsample_to(last, inputs[0])])]
        for level in range(1, len(inputs)):
            x = inputs[level]
            own = [x] if level == len(inputs) - 1 else [x, tops[level]]
            outputs.append(self.up[level]([*own, downsample_to(outputs[-1], x)]))
        return outputs

    def fix(self, scales: Sequence[float]) -> None:
        """Fix the weights of all nodes; output ``i`` then comes out times ``scales[i]``."""
        for node in self.down:
            assert isinstance(node, FusionNode)
            node.fix(node.coefficients().tolist(), 1.0)
        for level, node in enumerate(self.up):
            assert isinstance(node, FusionNode)
            *factors, last = node.coefficients().tolist()
            if level:  # its last input is the level below, which comes scaled already
                last /= scales[level - 1]
            node.fix([*factors, last], scales[level])


@MODELS.register_module()
class BiFPN(BaseModule):
    """Bi-directional feature pyramid over any number of levels, for any image size.

    Args:
        in_channels: Channels of the backbone's maps, finest first.
        channels: Channels of all levels.
        num_outs: Number of levels; those beyond the backbone's are made by 3x3 average pooling of
            stride 2. ``None`` takes as many as there are maps.
        num_repeats: Number of cells.
        fusion: How a node weights its inputs: ``'fast'``, ``'softmax'`` or ``'sum'``; the last has
            no weights and is what EfficientDet's largest networks use.
        norm_cfg: Config of all normalisation layers. A 1x1 map in a batch of one works: running
            statistics stand in there.
        act_cfg: Config of the activations.
        init_cfg: Initialisation config of mmengine.

    Attributes:
        out_channels: Channels of the levels returned.

    Raises:
        ValueError: If an argument is none of the values allowed, at construction; if the maps given
            are not those described, when called.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        num_outs: int | None = None,
        num_repeats: int = 1,
        *,
        fusion: str = 'fast',
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        num_outs = len(in_channels) if num_outs is None else num_outs
        if num_outs < max(2, len(in_channels)):
            raise ValueError(
                f'num_outs must be at least 2 and the number of in_channels {list(in_channels)}, '
                f'got {num_outs}'
            )
        if num_repeats < 1:
            raise ValueError(f'num_repeats must be 1 or more, got {num_repeats}')
        if fusion not in FUSIONS:
            raise ValueError(f'fusion must be one of {FUSIONS}, got {fusion!r}')
        norm_cfg, act_cfg = norm_cfg or BN, act_cfg or ACT
        self.in_channels = tuple(in_channels)
        self.out_channels = [channels] * num_outs
        widths = [*in_channels, *[in_channels[-1]] * (num_outs - len(in_channels))]
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.lateral_norms = nn.ModuleList(build_norm_layer(norm_cfg, channels)[1] for _ in widths)
        self.cells = nn.ModuleList(
            BiFPNCell(channels, num_outs, fusion=fusion, norm_cfg=norm_cfg, act_cfg=act_cfg)
            for _ in range(num_repeats)
        )
        he_fan_out_(self)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Levels ``(N, channels, H_i, W_i)``, finest first; each pooled one is ``ceil(H / 2)``."""
        check_channels('BiFPN', self.in_channels, inputs)
        levels = pooled_levels(inputs, len(self.laterals))
        levels = [
            normalise(norm, lateral(x))
            for norm, lateral, x in zip(self.lateral_norms, self.laterals, levels, strict=True)
        ]
        for cell in self.cells:
            levels = cell(levels)
        return tuple(levels)

    @torch.no_grad()
    def fold(self, scales: Sequence[float] | None = None) -> None:
        """Make the same function faster, in place: normalisation and fusion weights as constants.

        Args:
            scales: Factors of the output levels, multiplied into the last cell's convolutions.

        Raises:
            ValueError: If the neck is in training mode.
        """
        if self.training:
            raise ValueError('fold() is for inference: call eval() first')
        ones = [1.0] * len(self.laterals)
        for index, (conv, norm) in enumerate(zip(self.laterals, self.lateral_norms, strict=True)):
            if isinstance(conv, nn.Conv2d) and is_constant(norm):
                self.laterals[index] = fuse_conv_bn_eval(conv, norm)
                self.lateral_norms[index] = nn.Identity()
        for cell in self.cells:
            assert isinstance(cell, BiFPNCell)
            is_last = cell is self.cells[-1]
            cell.fix(scales if scales and is_last else ones)


def upsample_to(x: Tensor, like: Tensor) -> Tensor:
    """Upsample to the size of ``like`` by nearest neighbour."""
    return F.interpolate(x, size=like.shape[2:], mode='nearest')


def downsample_to(x: Tensor, like: Tensor) -> Tensor:
    """Downsample to the size of ``like``: 3x3 max pooling of stride 2, else adaptive pooling."""
    pooled = F.max_pool2d(x, 3, stride=2, padding=1)
    if pooled.shape[2:] == like.shape[2:]:
        return pooled
    return F.adaptive_max_pool2d(x, like.shape[2:])
