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
from .losses import OHEMCrossEntropy, WeightedCrossEntropy
from .necks import EPP, BiFPN, PooledLevels
from .optimize import optimize_for_inference
from .segmentors import MeanProbabilityTTAModel, MultiScaleEncoderDecoder, predict_labels_only
from .train_layers import use_train_layers

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
    'MeanProbabilityTTAModel',
    'MultiScaleEncoderDecoder',
    'MultiSizeDataPreProcessor',
    'OHEMCrossEntropy',
    'PooledLevels',
    'WeightedCrossEntropy',
    'WeightedSumHead',
    'Xception',
    'optimize_for_inference',
    'predict_labels_only',
    'use_train_layers',
]
