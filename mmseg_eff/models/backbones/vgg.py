"""VGG-16 as DeepLab v1 and v2 run it (Chen et al., ICLR 2015), https://arxiv.org/abs/1412.7062.

Sec. 3.1 -> STAGES. The convolutions are mmcv's, under torchvision's names. The pools are those of
the authors' published network (DeepLab-LargeFOV): 3x3, so that maps of any stride are aligned,
where VGG has 2x2.
"""

from collections.abc import Sequence

import torch.nn as nn
from mmcv.cnn import VGG
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from ..layers import KAIMING_FAN_OUT, check_output_stride

CHANNELS = (64, 128, 256, 512, 512)
STAGES = {  # output stride -> strides of the five pools and dilations of the convolutions before
    8: ((2, 2, 2, 1, 1), (1, 1, 1, 1, 2)),
    16: ((2, 2, 2, 2, 1), (1, 1, 1, 1, 1)),
    32: ((2, 2, 2, 2, 2), (1, 1, 1, 1, 1)),
}


@MODELS.register_module()
class AtrousVGG(BaseModule):
    """VGG-16 up to its fifth pool, without batch norm, with strides that become dilations.

    The authors do not dilate the pools. Only the fifth one at output stride 8 would have to be: it
    is the one map that is not the strided network's, made denser.

    Args:
        out_indices: Pools to return; pool ``i`` has stride ``2 ** (i + 1)`` and ``ceil`` sizes.
            Layers behind the last one are not built.
        output_stride: 32, 16 or 8: strides beyond it become dilations.
        use_average_pool: Average the fifth pool over 3x3 pixels, as v1 (DeepLab-LargeFOV) does.
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
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or KAIMING_FAN_OUT)
        if not out_indices or not set(out_indices) <= set(range(5)):
            raise ValueError(f'out_indices must be chosen from (0, 1, 2, 3, 4), got {out_indices}')
        check_output_stride(output_stride)
        if use_average_pool and 4 not in out_indices:
            raise ValueError(f'use_average_pool needs 4 among out_indices, got {out_indices}')
        self.out_indices = tuple(out_indices)
        self.out_channels = [CHANNELS[i] for i in self.out_indices]
        self.use_average_pool = use_average_pool
        num_stages = max(out_indices) + 1
        strides, dilations = STAGES[output_stride]
        layers = VGG(
            16, num_stages=num_stages, dilations=dilations[:num_stages], out_indices=(0,)
        ).features
        pools = (nn.MaxPool2d(3, stride, padding=1) for stride in strides)
        self.features = nn.Sequential(
            *(next(pools) if isinstance(layer, nn.MaxPool2d) else layer for layer in layers)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x, maps = image, []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                maps.append(x)  # (N, C, H / 2**(i+1), W / 2**(i+1))
        if self.use_average_pool:
            maps[4] = F.avg_pool2d(maps[4], 3, stride=1, padding=1)
        return tuple(maps[i] for i in self.out_indices)
