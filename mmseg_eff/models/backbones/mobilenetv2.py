"""MobileNetV2 as DeepLab runs it (Sandler et al., CVPR 2018), https://arxiv.org/abs/1801.04381.

The network is mmseg's; the dilations are those of the authors' code, tensorflow/models
``research/slim/nets/mobilenet``. mmseg's own reach the first block of a layer and no other.
"""

from collections.abc import Sequence

import torch.nn as nn
from mmseg.models.backbones import MobileNetV2
from mmseg.models.utils import make_divisible
from mmseg.registry import MODELS
from torch import Tensor

from ..layers import atrous_strides, check_out_indices, check_output_stride

STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the layers, Table 2


@MODELS.register_module()
class AtrousMobileNetV2(MobileNetV2):
    """MobileNetV2 with strides that become dilations; without its classifier and the 1x1 before.

    Its convolutions pad equally on all sides. Weights that come from TensorFlow fit sizes of a
    multiple of 32 plus 1, as the authors use, and want ``norm_cfg`` with ``eps=1e-3``.

    Args:
        widen_factor: Factor of all channels (the authors' depth multiplier).
        divisor: Round the channels of the layers to multiples of it. DeepLab's own network of half
            the width has 1, everyone else's 8. (The stem's are multiples of 8 in any case.)
        out_indices: Layers to return, from 0 to 6: 16, 24, 32, 64, 96, 160 and 320 channels times
            ``widen_factor``, of stride 2, 4, 8, 16, 16, 32 and 32. DeepLabv3 reads 6 only. All
            layers are built.
        output_stride: 32, 16 or 8: strides beyond it become dilations of the blocks after.
        use_expanded_tap: Let index 1 be the map inside the last block of its layer, after the
            depth-wise convolution (144 channels of stride 4): what the decoder of the authors'
            ADE20K network reads.
        norm_cfg: Config of all normalisation layers.
        strides: Of the layers, see ``MobileNetV2``; with either of the two, its own rule for
            dilations applies in place of ``output_stride``.
        dilations: Likewise.
        kwargs: Further arguments of ``MobileNetV2``: ``frozen_stages``, ``norm_eval``, ``with_cp``,
            ``act_cfg``, ``init_cfg``, … They are mmseg's to name, hence no list here.

    Attributes:
        out_channels: Channels of the layers returned.

    Raises:
        ValueError: If an argument is none of the values allowed.
    """

    def __init__(
        self,
        widen_factor: float = 1.0,
        *,
        divisor: int = 8,
        out_indices: Sequence[int] = (1, 2, 4, 6),
        output_stride: int = 16,
        use_expanded_tap: bool = False,
        norm_cfg: dict | None = None,
        strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        **kwargs,
    ) -> None:
        if widen_factor <= 0:
            raise ValueError(f'widen_factor must be above 0, got {widen_factor}')
        if divisor < 1:
            raise ValueError(f'divisor must be at least 1, got {divisor}')
        out_indices = check_out_indices(out_indices, len(self.arch_settings))
        check_output_stride(output_stride)
        if use_expanded_tap and 1 not in out_indices:
            raise ValueError(f'use_expanded_tap needs 1 among out_indices, got {out_indices}')
        self.divisor = divisor  # read while mmseg builds the layers
        super().__init__(
            widen_factor,
            strides=tuple(strides or STRIDES),
            dilations=tuple(dilations or (1,) * len(STRIDES)),
            out_indices=out_indices,
            norm_cfg=norm_cfg or dict(type='BN'),
            **kwargs,
        )
        self._freeze_stages()  # mmseg's waits for train()
        self.use_expanded_tap = use_expanded_tap
        parts = [getattr(self, name)[-1].conv for name in self.layers]
        self.out_channels = [
            parts[i][-2 if use_expanded_tap and i == 1 else -1].out_channels for i in out_indices
        ]
        if strides or dilations:
            return
        blocks = [block for name in self.layers for block in getattr(self, name)]
        placed = atrous_strides((block.stride for block in blocks), output_stride)
        for block, (stride, dilation) in zip(blocks, placed, strict=True):
            conv = block.conv[-2].conv  # the depth-wise one
            conv.stride = (stride, stride)
            conv.dilation = conv.padding = (dilation, dilation)

    def train(self, mode: bool = True) -> 'AtrousMobileNetV2':
        """Set the mode; mmseg's lets the statistics of a frozen stem move, and returns nothing."""
        super().train(mode)
        if self.frozen_stages >= 0:
            self.conv1.eval()
        return self

    def make_layer(self, **kwargs) -> nn.Sequential:
        """mmseg's, with the channels rounded by ``divisor`` instead of 8."""
        channels = self.arch_settings[len(self.layers)][1] * self.widen_factor
        kwargs['out_channels'] = make_divisible(channels, self.divisor)
        return super().make_layer(**kwargs)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.conv1(image)  # (N, C, H / 2, W / 2)
        maps = []
        for index, name in enumerate(self.layers):
            *blocks, last = getattr(self, name)
            for block in blocks:
                x = block(x)
            if index == 1 and self.use_expanded_tap:
                maps.append(last.conv[:-1](x))
                x = x + last.conv[-1](maps[-1])
            else:
                x = last(x)
                maps.append(x)
        return tuple(maps[i] for i in self.out_indices)
