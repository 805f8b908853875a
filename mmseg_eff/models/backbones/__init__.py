from .atrous_resnet import AtrousResNet
from .efficientnet import EfficientNet
from .espnet import ESPNet
from .espnetv2 import ESPNetv2
from .mobilenetv2 import AtrousMobileNetV2
from .vgg import AtrousVGG
from .xception import Xception

__all__ = [
    'AtrousMobileNetV2',
    'AtrousResNet',
    'AtrousVGG',
    'ESPNet',
    'ESPNetv2',
    'EfficientNet',
    'Xception',
]
