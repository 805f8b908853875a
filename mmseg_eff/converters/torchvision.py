"""ImageNet weights of torchvision's ResNet and VGG-16, whose names are those of the networks here.

The classifiers are left out, and whether a file is complete is checked.
"""

import re
from collections.abc import Mapping

import torch
from mmseg.models import ResNet
from torch import Tensor, nn

from ..checkpoint.io import mismatch
from ..errors import InputError
from ..models.backbones.vgg import AtrousVGG
from .efficientnet import IMAGENET

# blocks of each stage, and whether a block has a third convolution -> depth
DEPTHS: dict[tuple[tuple[int, ...], bool], int] = {
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
    ((3, 8, 36, 3), True): 152,
}


def convert_resnet(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict]:
    """Convert the ImageNet weights of a ResNet.

    Args:
        state_dict: Weights of torchvision's ``resnet18`` to ``resnet152``.

    Returns:
        The state dict with ``backbone.*`` of mmseg's ``ResNet``, and its meta data: ``model`` with
        the ``depth``, and ``preprocessing``.

    Raises:
        InputError: If it is not such a state dict, complete to the last tensor of the backbone.
    """
    blocks = {match[1] for key in state_dict if (match := re.match(r'layer([1-4]\.\d+)\.', key))}
    stages = [block[0] for block in blocks]
    depth = DEPTHS.get(
        (tuple(map(stages.count, '1234')), 'layer1.0.conv3.weight' in state_dict),
    )
    if depth is None:
        raise InputError(
            'not a ResNet file: it has other blocks; expected ImageNet weights of '
            "torchvision's resnet18, 34, 50, 101 or 152"
        )
    with torch.device('meta'):
        network = ResNet(depth)
    converted = as_backbone(network, state_dict, 'fc.', f'ResNet-{depth}')
    return converted, dict(model=dict(depth=depth), preprocessing=IMAGENET)


def convert_vgg16(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict]:
    """Convert the ImageNet weights of VGG-16 without batch norm.

    Args:
        state_dict: Weights of torchvision's ``vgg16``.

    Returns:
        The state dict with ``backbone.*`` of ``AtrousVGG``, and its meta data: ``preprocessing``.

    Raises:
        InputError: If it is not such a state dict, complete to the last tensor of the backbone.
    """
    with torch.device('meta'):
        network = AtrousVGG()
    converted = as_backbone(network, state_dict, 'classifier.', 'VGG-16')
    return converted, dict(model=dict(), preprocessing=IMAGENET)


def as_backbone(
    network: nn.Module, state_dict: Mapping[str, Tensor], classifier: str, name: str
) -> dict[str, Tensor]:
    """Weights of a network as those of a backbone, without the classifier.

    Args:
        network: The network, without memory.
        state_dict: Its weights, and those of the classifier.
        classifier: What the classifier's names begin with.
        name: What an error calls the network.

    Raises:
        InputError: If a tensor is missing, is one too many or has another shape.
    """
    taken = {key: value for key, value in state_dict.items() if not key.startswith(classifier)}
    for key in network.state_dict():  # before torch 0.4.1 there was none
        if key.endswith('.num_batches_tracked'):
            taken.setdefault(key, torch.tensor(0))
    if reason := mismatch(network, taken):
        raise InputError(f"not a complete file of torchvision's {name}: {reason}")
    return {f'backbone.{key}': value.clone() for key, value in taken.items()}
