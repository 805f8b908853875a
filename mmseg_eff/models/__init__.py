from .backbones import ESPNet, ESPNetv2
from .data_preprocessor import MultiSizeDataPreProcessor
from .decode_heads import ESPNetCHead, ESPNetHead
from .losses import WeightedCrossEntropy
from .necks import EPP

__all__ = [
    'EPP',
    'ESPNet',
    'ESPNetCHead',
    'ESPNetHead',
    'ESPNetv2',
    'MultiSizeDataPreProcessor',
    'WeightedCrossEntropy',
]
