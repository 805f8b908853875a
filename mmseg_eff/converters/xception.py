"""ImageNet weights of the aligned Xception (timm's ``xception41/65/71``) -> our names.

They were made from the DeepLab authors' TensorFlow files; the classifier is left out. timm's
``xception41p`` and ``xception65p`` are other networks: they norm before the convolutions.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..checkpoint.io import mismatch, rename
from ..errors import InputError
from ..models.backbones.xception import ARCHS, Xception

RENAMES = (  # of module names
    (r'^blocks\.', 'units.'),
    (r'\.stack\.conv([123])\.', lambda m: f'.convs.{int(m[1]) - 1}.'),
    (r'\.(conv|bn)_dw\.', r'.depthwise_conv.\1.'),
    (r'\.(conv|bn)_pw\.', r'.pointwise_conv.\1.'),
    (r'\.shortcut\.', '.skip.'),
)
PREPROCESSING = dict(bgr_to_rgb=True, mean=(127.5,) * 3, std=(127.5,) * 3)  # to [-1, 1]


def convert_xception(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict]:
    """Convert the ImageNet weights of an aligned Xception.

    Args:
        state_dict: Weights of timm's ``xception41``, ``xception65`` or ``xception71``.

    Returns:
        The state dict with ``backbone.*`` of an ``Xception``, and its meta data: ``model`` with
        the ``arch`` (and ``in_channels`` if not 3), and ``preprocessing`` of 3 channels.

    Raises:
        InputError: If it is not such a state dict, complete to the last tensor of the backbone.
    """
    blocks = {key.split('.')[1] for key in state_dict if key.startswith('blocks.')}
    has_module = 'blocks.0.stack.conv1.conv_dw.weight' in state_dict
    arch = next((arch for arch in ARCHS if has_module and len(ARCHS[arch]) == len(blocks)), None)
    if arch is None:
        raise InputError(
            'not an aligned Xception file: it has other blocks; expected ImageNet weights of '
            "timm's xception41, xception65 or xception71"
        )
    converted = {
        f'backbone.{rename(key, RENAMES)}': value.clone()
        for key, value in state_dict.items()
        if not key.startswith('head.')
    }
    stem = converted.get('backbone.stem.0.conv.weight')
    in_channels = 3 if stem is None else stem.shape[1]
    with torch.device('meta'):
        network = nn.ModuleDict(dict(backbone=Xception(arch, in_channels=in_channels)))
    reason = mismatch(network, converted)
    if reason:
        raise InputError(f'not a complete Xception {arch} file: {reason}')
    if in_channels != 3:
        return converted, dict(model=dict(arch=arch, in_channels=in_channels))
    return converted, dict(model=dict(arch=arch), preprocessing=PREPROCESSING)
