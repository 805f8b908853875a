"""Head of ESeg (Meng et al., 2022), https://arxiv.org/abs/2203.12683.

Sec. 3.2 -> WeightedSumHead: O = sum over i of softmax(w)_i Upsample(P_i), then the classifier.

The paper does not say what its classifier is; EfficientDet's with one hidden layer gives the
paper's sizes: separable 3x3 convolution, norm, activation, separable 3x3 convolution to the
classes.
"""

from collections.abc import Sequence
from itertools import chain

import torch
import torch.nn as nn
from mmcv.cnn import build_activation_layer, build_norm_layer
from mmengine.model import normal_init
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..layers import he_fan_out_, is_constant, weighted_sum
from .arguments import check_num_classes, refuse_configs

CLASSIFIERS = ('separable', '1x1')


@MODELS.register_module()
class WeightedSumHead(BaseDecodeHead):
    """Softmax-weighted sum of all levels at the finest one's size, and a light classifier.

    Works on any neck or backbone whose maps have one width.

    Args:
        in_channels: Channels of the maps taken, finest first, all equal to ``channels``.
        channels: Channels of the sum.
        num_classes: Number of classes.
        in_index: Which maps to take; ``None`` takes the first ``len(in_channels)``.
        classifier: ``'separable'`` (the paper's sizes) or ``'1x1'``, one convolution.
        norm_cfg: Config of the classifier's normalisation layer.
        act_cfg: Config of its activation.
        dropout_ratio: Dropout before the last convolution; the paper has none.
        kwargs: Further arguments of ``BaseDecodeHead`` (``loss_decode``, ``align_corners``, …).

    Raises:
        ValueError: If the arguments do not fit, or for ``conv_cfg``, at construction; if there are
            other maps than described, when called.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        num_classes: int,
        in_index: Sequence[int] | None = None,
        *,
        classifier: str = 'separable',
        norm_cfg: dict | None = None,
        act_cfg: dict | None = None,
        dropout_ratio: float = 0.0,
        **kwargs,
    ) -> None:
        check_num_classes(num_classes)
        reasons = dict(conv_cfg='its convolutions are plain ones, which fold() joins')
        refuse_configs('WeightedSumHead', kwargs, reasons)
        if classifier not in CLASSIFIERS:
            raise ValueError(f'classifier must be one of {CLASSIFIERS}, got {classifier!r}')
        if set(in_channels) != {channels}:
            raise ValueError(
                f'in_channels must all be channels={channels}, got {list(in_channels)}'
            )
        in_index = list(range(len(in_channels))) if in_index is None else list(in_index)
        norm_cfg = norm_cfg or dict(type='BN', eps=1e-3, momentum=0.01)
        act_cfg = act_cfg or dict(type='SiLU')
        super().__init__(
            in_channels=list(in_channels),
            channels=channels,
            num_classes=num_classes,
            in_index=in_index,
            input_transform='multiple_select',
            dropout_ratio=dropout_ratio,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            **{'init_cfg': None, **kwargs},
        )
        self.level_weights = nn.Parameter(torch.ones(len(in_index)))
        self.constants: tuple[float, ...] | None = None
        self.hidden: nn.Module = nn.Identity()
        if classifier == 'separable':
            self.hidden = nn.Sequential(
                *separable_conv(channels, channels),
                build_norm_layer(norm_cfg, channels)[1],
                build_activation_layer(act_cfg),
            )
            self.conv_seg = separable_conv(channels, self.out_channels)
        he_fan_out_(self)
        last = self.conv_seg[-1] if classifier == 'separable' else self.conv_seg
        normal_init(last, std=0.01)  # as in mmseg's heads

    def coefficients(self) -> Tensor:
        """Factors of the levels, ``(num_levels,)``; their sum is 1."""
        if self.constants is not None:
            return torch.tensor(self.constants)
        return self.level_weights.softmax(0)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits ``(N, num_classes, H, W)`` at the size of the finest of the maps taken."""
        given = [x.shape[1] for x in inputs]
        if len(given) <= max(self.in_index) or any(
            given[i] != self.channels for i in self.in_index
        ):
            raise ValueError(
                f'WeightedSumHead was built for maps {self.in_index} of {self.channels} channels '
                f'and got maps of {given} channels'
            )
        base, *coarser = self._transform_inputs(inputs)
        upsampled = (
            F.interpolate(x, size=base.shape[2:], mode='bilinear', align_corners=self.align_corners)
            for x in coarser
        )
        total = weighted_sum(chain([base], upsampled), self.constants or self.coefficients())
        return self.cls_seg(self.hidden(total))

    @torch.no_grad()
    def fold(self, *, use_plain_sum: bool = False) -> None:
        """Make the same function faster, in place: normalisation and level weights as constants.

        Args:
            use_plain_sum: The maps come with the weights multiplied in (``BiFPN.fold`` with
                ``coefficients()``); the head only adds them.

        Raises:
            ValueError: If the head is in training mode.
        """
        if self.training:
            raise ValueError('fold() is for inference: call eval() first')
        ones = (1.0,) * len(self.in_index)
        self.constants = ones if use_plain_sum else tuple(self.coefficients().tolist())
        del self.level_weights
        match list(self.hidden.children()):
            case [depthwise, nn.Conv2d() as pointwise, norm, act] if is_constant(norm):
                self.hidden = nn.Sequential(depthwise, fuse_conv_bn_eval(pointwise, norm), act)


def separable_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Depth-wise 3x3 convolution and a 1x1 convolution with bias; the size stays."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1),
    )
