from .backbones import (
    AtrousMobileNetV2,
    AtrousResNet,
    AtrousVGG,
    EfficientNet,
    ESPNet,
    ESPNetv2,
    Xception,
)
from .data_preprocessor import MultiSizeDataPreProcessor
from .decode_heads import (
    DeepLabV1Head,
    DeepLabV2Head,
    DeepLabV3Head,
    DeepLabV3PlusHead,
    ESPNetCHead,
    ESPNetHead,
    WeightedSumHead,
)
from .fold import fold
from .losses import OHEMCrossEntropy, WeightedCrossEntropy
from .necks import EPP, BiFPN, PooledLevels
from .segmentors import MultiScaleEncoderDecoder

__all__ = [
    'EPP',
    'AtrousMobileNetV2',
    'AtrousResNet',
    'AtrousVGG',
    'BiFPN',
    'DeepLabV1Head',
    'DeepLabV2Head',
    'DeepLabV3Head',
    'DeepLabV3PlusHead',
    'ESPNet',
    'ESPNetCHead',
    'ESPNetHead',
    'ESPNetv2',
    'EfficientNet',
    'MultiScaleEncoderDecoder',
    'MultiSizeDataPreProcessor',
    'OHEMCrossEntropy',
    'PooledLevels',
    'WeightedCrossEntropy',
    'WeightedSumHead',
    'Xception',
    'fold',
]
