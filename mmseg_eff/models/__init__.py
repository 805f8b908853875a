from .backbones import ESPNet
from .data_preprocessor import MultiSizeDataPreProcessor
from .decode_heads import ESPNetCHead, ESPNetHead
from .losses import WeightedCrossEntropy

__all__ = [
    'ESPNet',
    'ESPNetCHead',
    'ESPNetHead',
    'MultiSizeDataPreProcessor',
    'WeightedCrossEntropy',
]
