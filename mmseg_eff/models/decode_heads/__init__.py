from .deeplab_head import DeepLabV1Head, DeepLabV2Head
from .deeplabv3plus_head import DeepLabV3Head, DeepLabV3PlusHead
from .espnet_head import ESPNetCHead, ESPNetHead
from .weighted_sum_head import WeightedSumHead

__all__ = [
    'DeepLabV1Head',
    'DeepLabV2Head',
    'DeepLabV3Head',
    'DeepLabV3PlusHead',
    'ESPNetCHead',
    'ESPNetHead',
    'WeightedSumHead',
]
