"""VGG-16 as DeepLab v1 and v2 run it (Chen et al., ICLR 2015), https://arxiv.org/abs/1412.7062.

Sec. 3.1 -> STAGES. The convolutions are mmcv's, under torchvision's names. The pools are those of
the authors' published network (DeepLab-LargeFOV): 3x3, so that maps of any stride are aligned,
where VGG has 2x2.
"""

from collections.abc import Sequence
from functools import partial

import torch.nn as nn
from mmcv.cnn import VGG
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from ..layers import KAIMING_FAN_OUT, Backbone, check_out_indices, check_output_stride

CHANNELS = (64, 128, 256, 512, 512)
STAGES = {  # output stride -> strides of the five pools and dilations of the convolutions before
    8: ((2, 2, 2, 1, 1), (1, 1, 1, 1, 2)),
    16: ((2, 2, 2, 2, 1), (1, 1, 1, 1, 1)),
    32: ((2, 2, 2, 2, 2), (1, 1, 1, 1, 1)),
}


@MODELS.register_module()
class AtrousVGG(Backbone):
    """VGG-16 up to its fifth pool, without batch norm, with strides that become dilations.

    The authors do not dilate the pools. So at output stride 8 the fifth pool differs from the
    strided network's; all other maps are denser versions of the same maps.

    Args:
        out_indices: Pools to return; pool ``i`` has stride ``2 ** (i + 1)`` and ``ceil`` sizes.
            Layers after the last one are not built.
        output_stride: 32, 16 or 8: strides beyond it become dilations.
        use_average_pool: Average the fifth pool over 3x3 pixels, as v1 (DeepLab-LargeFOV) does.
        frozen_stages: Last stage not to train, from 1 to 5, each with its pool; there is no stem.
            See ``Backbone``.
        norm_eval: Without effect, since there is no normalisation.
        with_cp: See ``Backbone``.
        init_cfg: Initialisation config of mmengine; He initialisation without it. ImageNet weights
            of torchvision's ``vgg16`` load with ``dict(type='Pretrained', checkpoint=…)``.

    Attributes:
        out_channels: Channels of the maps returned.

    Raises:
        ValueError: If an argument is none of the values allowed.
    """

    def __init__(
        self,
        *,
        out_indices: Sequence[int] = (0, 1, 2, 3, 4),
        output_stride: int = 8,
        use_average_pool: bool = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            frozen_stages=frozen_stages,
            norm_eval=norm_eval,
            with_cp=with_cp,
            init_cfg=init_cfg or KAIMING_FAN_OUT,
        )
        self.out_indices = check_out_indices(out_indices, 5)
        check_output_stride(output_stride)
        if use_average_pool and 4 not in self.out_indices:
            raise ValueError(f'use_average_pool needs 4 among out_indices, got {out_indices}')
        self.out_channels = [CHANNELS[i] for i in self.out_indices]
        self.use_average_pool = use_average_pool
        num_stages = max(self.out_indices) + 1
        strides, dilations = STAGES[output_stride]
        layers = VGG(
            16, num_stages=num_stages, dilations=dilations[:num_stages], out_indices=(0,)
        ).features
        pools = (nn.MaxPool2d(3, stride, padding=1) for stride in strides)
        self.features = nn.Sequential(
            *(next(pools) if isinstance(layer, nn.MaxPool2d) else layer for layer in layers)
        )
        self.freeze()

    def parts(self) -> list[list[nn.Module]]:
        parts: list[list[nn.Module]] = [[]]  # no stem
        begin = 0
        for index, layer in enumerate(self.features):
            if isinstance(layer, nn.MaxPool2d):
                parts.append(list(self.features)[begin : index + 1])
                begin = index + 1
        return parts

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x, maps = image, []
        for layers in self.parts()[1:]:
            x = self.run(partial(in_turn, layers), x)
            maps.append(x)  # (N, C, H / 2**(i+1), W / 2**(i+1))
        if self.use_average_pool:
            maps[4] = F.avg_pool2d(maps[4], 3, stride=1, padding=1)
        return tuple(maps[i] for i in self.out_indices)


def in_turn(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    """The output of layers that follow each other."""
    for layer in layers:
        x = layer(x)
    return x
