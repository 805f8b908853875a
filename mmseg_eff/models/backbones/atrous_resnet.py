"""ResNet as DeepLabv3 runs it (Chen et al., 2017), https://arxiv.org/abs/1706.05587.

Sec. 3.1 -> STAGES, Sec. 3.1.1 -> ``multi_grid``. The network is mmseg's: stride in the 3x3
convolution of a stage's first block (v1.5), where the authors' code has it in the last block of the
stage before. Their decoder reads the third convolution of stage 1's second block, before the sum;
index 0 here is the end of that stage: one block later, of the same stride and channels.
"""

from collections.abc import Sequence

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS

from ..layers import check_output_stride

STAGES = {  # output stride -> strides and dilations of the four stages
    8: ((1, 2, 1, 1), (1, 1, 2, 4)),
    16: ((1, 2, 2, 1), (1, 1, 1, 2)),
    32: ((1, 2, 2, 2), (1, 1, 1, 1)),
}
DEPTHS = (50, 101, 152)  # mmseg's block of 18 and 34 layers does not dilate its second convolution


@MODELS.register_module()
class AtrousResNet(ResNet):
    """ResNet with strides that become dilations.

    Args:
        depth: Number of layers: 50, 101 or 152.
        in_channels: Channels of the image.
        out_indices: Stages to return, from 0 to 3, of stride 4 to 32. All stages are built.
        output_stride: 32, 16 or 8: strides beyond it become dilations.
        multi_grid: The paper's three unit rates of the last stage, such as (1, 2, 4). They are
            relative: at output stride 16 the blocks run at 2, 4 and 8 (mmseg's ``multi_grid`` is
            the product). Without them a block whose stride is removed keeps the dilation that it
            was trained with; only those behind get the new one.
        deep_stem: Three 3x3 convolutions instead of the 7x7 one.
        stem_channels: Channels of the stem; with ``deep_stem``, 64 is mmseg's ResNetV1c and 128
            the authors' "beta".
        norm_cfg: Config of all normalisation layers.
        init_cfg: Initialisation config of mmengine, for pre-trained weights.

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
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if depth not in DEPTHS:
            raise ValueError(f'depth must be one of {DEPTHS}, got {depth}')
        if not out_indices or not set(out_indices) <= {0, 1, 2, 3}:
            raise ValueError(f'out_indices must be chosen from (0, 1, 2, 3), got {out_indices}')
        check_output_stride(output_stride)
        if multi_grid is not None and (len(multi_grid) != 3 or min(multi_grid) < 1):
            raise ValueError(f'multi_grid must be 3 rates of at least 1, got {multi_grid}')
        if stem_channels < 2:
            raise ValueError(f'stem_channels must be at least 2, got {stem_channels}')
        strides, dilations = STAGES[output_stride]
        super().__init__(
            depth,
            in_channels=in_channels,
            stem_channels=stem_channels,
            strides=strides,
            dilations=dilations,
            out_indices=tuple(sorted(out_indices)),
            deep_stem=deep_stem,
            norm_cfg=norm_cfg or dict(type='BN'),
            multi_grid=multi_grid and tuple(dilations[-1] * rate for rate in multi_grid),
            contract_dilation=True,  # of the first block of a dilated stage
            init_cfg=init_cfg,
        )
        self.out_channels = [self.feat_dim // 2 ** (3 - i) for i in self.out_indices]
