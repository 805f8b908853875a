"""ResNet as DeepLabv3 runs it (Chen et al., 2017), https://arxiv.org/abs/1706.05587.

Sec. 3.1 -> STAGES, Sec. 3.1.1 -> ``multi_grid``. The network is mmseg's: stride in the 3x3
convolution of a stage's first block (v1.5), where the authors' code has it in the last block of the
stage before. Their decoder reads the third convolution of stage 1's second block, before the sum;
index 0 here is the end of that stage: one block later, of the same stride and channels.
"""

from collections.abc import Sequence

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS
from torch import Tensor

from ..layers import check_out_indices, check_output_stride

STAGES = {  # output stride -> strides and dilations of the four stages
    8: ((1, 2, 1, 1), (1, 1, 2, 4)),
    16: ((1, 2, 2, 1), (1, 1, 1, 2)),
    32: ((1, 2, 2, 2), (1, 1, 1, 1)),
}
DEPTHS = (50, 101, 152)  # mmseg's block of 18 and 34 layers does not dilate its second convolution


@MODELS.register_module()
class AtrousResNet(ResNet):
    """mmseg's ``ResNet`` with strides that become dilations.

    Args:
        depth: Number of layers: 50, 101 or 152.
        in_channels: Channels of the image.
        out_indices: Stages to return, from 0 to 3, of stride 4 to 32, in any order. All stages are
            built.
        output_stride: 32, 16 or 8: strides beyond it become dilations.
        multi_grid: The paper's three unit rates of the last stage, such as (1, 2, 4). They are
            relative: at output stride 16 the blocks run at 2, 4 and 8 (mmseg's ``multi_grid`` is
            the product). Without them a block whose stride is removed keeps the dilation that it
            was trained with; only those after it get the new one.
        deep_stem: Three 3x3 convolutions instead of the 7x7 one.
        stem_channels: Channels of the stem; with ``deep_stem``, 64 is mmseg's ResNetV1c and 128
            the authors' "beta".
        norm_cfg: Config of all normalisation layers.
        num_stages: Number of stages to build, from 1 to 4.
        frozen_stages: Last stage not to train; 0 is the stem, -1 nothing.
        strides: Of the stages, see ``ResNet``; in place of those of ``output_stride``.
        dilations: Likewise.
        contract_dilation: False gives the first block of a dilated stage the stage's dilation, too.
        kwargs: Further arguments of ``ResNet``: ``norm_eval``, ``with_cp``, ``style``,
            ``init_cfg``, … They are mmseg's to name, hence no list here.

    Attributes:
        out_channels: Channels of the stages returned.

    Raises:
        ValueError: If an argument is none of the values allowed.
    """

    def __init__(
        self,
        depth: int = 101,
        *,
        in_channels: int = 3,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        output_stride: int = 16,
        multi_grid: Sequence[int] | None = None,
        deep_stem: bool = False,
        stem_channels: int = 64,
        norm_cfg: dict | None = None,
        num_stages: int = 4,
        frozen_stages: int = -1,
        strides: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        contract_dilation: bool = True,
        **kwargs,
    ) -> None:
        if depth not in DEPTHS:
            raise ValueError(f'depth must be one of {DEPTHS}, got {depth}')
        if num_stages not in range(1, 5):
            raise ValueError(f'num_stages must be 1 to 4, got {num_stages}')
        if frozen_stages not in range(-1, num_stages + 1):
            raise ValueError(f'frozen_stages must be -1 to {num_stages}, got {frozen_stages!r}')
        out_indices = check_out_indices(out_indices, num_stages)
        check_output_stride(output_stride)
        if multi_grid is not None and (len(multi_grid) != 3 or min(multi_grid) < 1):
            raise ValueError(f'multi_grid must be 3 rates of at least 1, got {multi_grid}')
        if stem_channels < 2:
            raise ValueError(f'stem_channels must be at least 2, got {stem_channels}')
        own = [stages[:num_stages] for stages in STAGES[output_stride]]
        strides, dilations = strides or own[0], dilations or own[1]
        super().__init__(
            depth,
            in_channels=in_channels,
            stem_channels=stem_channels,
            num_stages=num_stages,
            frozen_stages=frozen_stages,
            strides=tuple(strides),
            dilations=tuple(dilations),
            out_indices=out_indices,
            deep_stem=deep_stem,
            norm_cfg=norm_cfg or dict(type='BN'),
            multi_grid=multi_grid and tuple(dilations[-1] * rate for rate in multi_grid),
            contract_dilation=contract_dilation,
            **kwargs,
        )
        self.out_channels = [self.feat_dim // 2 ** (num_stages - 1 - i) for i in out_indices]

    def train(self, mode: bool = True) -> 'AtrousResNet':
        """Set the mode; mmseg's method does not return the network."""
        super().train(mode)
        return self

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps = dict(zip(sorted(set(self.out_indices)), super().forward(image), strict=True))
        return tuple(maps[i] for i in self.out_indices)  # mmseg's are in the order of the stages
