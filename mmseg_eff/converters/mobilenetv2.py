"""ImageNet weights of MobileNetV2 (torchvision, timm) -> the names of mmseg's network.

The last 1x1 convolution and the classifier are left out. timm's ``mobilenetv2_110d`` and
``mobilenetv2_120d`` are deeper networks.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from mmseg.models.utils import make_divisible
from torch import Tensor, nn

from ..checkpoint.io import mismatch, rename
from ..errors import InputError
from ..models.backbones.mobilenetv2 import AtrousMobileNetV2
from .efficientnet import IMAGENET

WIDEN_FACTORS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
BLOCKS = [  # torchvision numbers them through all layers
    f'layer{layer}.{block}.'
    for layer, (_, _, num_blocks) in enumerate(AtrousMobileNetV2.arch_settings, start=1)
    for block in range(num_blocks)
]


class Layout(NamedTuple):
    """How a library names the tensors."""

    stem: str  # a key that all its files have and the other library's have not
    head: str  # pattern of the names that are left out
    renames: tuple[tuple[str, str | Callable[[re.Match], str]], ...]  # of module names


LAYOUTS = {
    'torchvision': Layout(
        'features.0.0.weight',
        r'(features\.18|classifier)\.',
        (
            (r'^features\.0\.', 'conv1.'),
            (r'^features\.(1[0-7]|[1-9])\.', lambda m: BLOCKS[int(m[1]) - 1]),
            # The projection and its norm have no common number.
            (r'^(layer1\.0\.conv\.1)\.', r'\1.0.'),
            (r'^(layer1\.0\.conv)\.2\.', r'\1.1.1.'),
            (r'^(layer[2-7]\.\d\.conv\.2)\.', r'\1.0.'),
            (r'\.conv\.3\.', '.conv.2.1.'),
            (r'(conv1|conv\.\d)\.0\.', r'\1.conv.'),
            (r'(conv1|conv\.\d)\.1\.', r'\1.bn.'),
        ),
    ),
    'timm': Layout(
        'conv_stem.weight',
        r'(conv_head|bn2|classifier)\.',
        (
            (r'^conv_stem\.', 'conv1.conv.'),
            (r'^bn1\.', 'conv1.bn.'),
            (r'^blocks\.0\.0\.conv_dw\.', 'layer1.0.conv.0.conv.'),  # has no expansion
            (r'^blocks\.0\.0\.conv_pw\.', 'layer1.0.conv.1.conv.'),
            (r'^blocks\.(\d+)\.', lambda m: f'layer{int(m[1]) + 1}.'),
            (r'\.conv_pw\.', '.conv.0.conv.'),
            (r'\.conv_dw\.', '.conv.1.conv.'),
            (r'\.conv_pwl\.', '.conv.2.conv.'),
            (r'\.bn([123])\.', lambda m: f'.conv.{int(m[1]) - 1}.bn.'),
        ),
    ),
}
EXPECTED = (
    "expected ImageNet weights of torchvision's mobilenet_v2 or timm's mobilenetv2_035 to "
    'mobilenetv2_140'
)


def convert_mobilenetv2(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict]:
    """Convert the ImageNet weights of a MobileNetV2.

    Args:
        state_dict: Weights of torchvision or timm.

    Returns:
        The state dict with ``backbone.*`` of an ``AtrousMobileNetV2`` (or mmseg's
        ``MobileNetV2``), and its meta data: ``model`` with the ``widen_factor``, and
        ``preprocessing``.

    Raises:
        InputError: If it is not such a state dict, complete to the last tensor of the backbone.
    """
    layout = next((layout for layout in LAYOUTS.values() if layout.stem in state_dict), None)
    if layout is None:
        raise InputError(f'not a MobileNetV2 file: it has no known stem; {EXPECTED}')
    converted = {
        f'backbone.{rename(key, layout.renames)}': value.clone()
        for key, value in state_dict.items()
        if not re.match(layout.head, key)
    }
    last = converted.get('backbone.layer7.0.conv.2.conv.weight')
    factors = {make_divisible(320 * factor, 8): factor for factor in WIDEN_FACTORS}
    if last is None or len(last) not in factors:
        raise InputError(f'not a MobileNetV2 file: it has other blocks; {EXPECTED}')
    widen_factor = factors[len(last)]
    with torch.device('meta'):
        network = nn.ModuleDict(dict(backbone=AtrousMobileNetV2(widen_factor)))
    reason = mismatch(network, converted)
    if reason:
        raise InputError(f'not a complete MobileNetV2 file of width {widen_factor}: {reason}')
    return converted, dict(model=dict(widen_factor=widen_factor), preprocessing=IMAGENET)
