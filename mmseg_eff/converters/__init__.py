from .checkpoint import load_checkpoint, load_weights, save_checkpoint, zero_denormals
from .espnet import convert_espnet

CONVERTERS = {'espnet': convert_espnet}  # name on the command line -> official state dict to ours

__all__ = [
    'CONVERTERS',
    'convert_espnet',
    'load_checkpoint',
    'load_weights',
    'save_checkpoint',
    'zero_denormals',
]
