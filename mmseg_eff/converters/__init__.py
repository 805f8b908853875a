from ..checkpoint.io import load_checkpoint, load_weights, save_checkpoint, zero_denormals
from .efficientnet import convert_efficientnet
from .espnet import convert_espnet
from .espnetv2 import convert_espnetv2
from .mobilenetv2 import convert_mobilenetv2
from .torchvision import convert_resnet, convert_vgg16
from .xception import convert_xception

CONVERTERS = {  # name on the command line -> official state dict to ours
    'efficientnet': convert_efficientnet,
    'espnet': convert_espnet,
    'espnetv2': convert_espnetv2,
    'mobilenetv2': convert_mobilenetv2,
    'resnet': convert_resnet,
    'vgg16': convert_vgg16,
    'xception': convert_xception,
}

__all__ = [
    'CONVERTERS',
    'convert_efficientnet',
    'convert_espnet',
    'convert_espnetv2',
    'convert_mobilenetv2',
    'convert_resnet',
    'convert_vgg16',
    'convert_xception',
    'load_checkpoint',
    'load_weights',
    'save_checkpoint',
    'zero_denormals',
]
