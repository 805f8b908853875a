from .backbones import EfficientNet, ESPNet, ESPNetv2
from .data_preprocessor import MultiSizeDataPreProcessor
from .decode_heads import ESPNetCHead, ESPNetHead, WeightedSumHead
from .fold import fold
from .losses import OHEMCrossEntropy, WeightedCrossEntropy
from .necks import EPP, BiFPN, PooledLevels

__all__ = [
    'EPP',
    'BiFPN',
    'ESPNet',
    'ESPNetCHead',
    'ESPNetHead',
    'ESPNetv2',
    'EfficientNet',
    'MultiSizeDataPreProcessor',
    'OHEMCrossEntropy',
    'PooledLevels',
    'WeightedCrossEntropy',
    'WeightedSumHead',
    'fold',
]
