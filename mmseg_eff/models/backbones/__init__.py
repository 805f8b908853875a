from .efficientnet import EfficientNet
from .espnet import ESPNet
from .espnetv2 import ESPNetv2

__all__ = ['ESPNet', 'ESPNetv2', 'EfficientNet']
