"""Weight initialisation that several papers share."""

from math import sqrt

import torch.nn as nn

# He initialisation of convolutions by fan-out; normalisation layers start as the identity anyway.
KAIMING_FAN_OUT = dict(
    type='Kaiming', layer='Conv2d', mode='fan_out', nonlinearity='relu', distribution='normal'
)


def he_fan_out_(module: nn.Module) -> None:
    """He initialisation by the fan-out of each group, in place; biases start at zero.

    As in TensorFlow's EfficientNet; ``KAIMING_FAN_OUT`` takes a depth-wise convolution for a dense
    one and starts it too small.
    """
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d):
            fan_out = conv.weight[0, 0].numel() * conv.out_channels // conv.groups
            nn.init.normal_(conv.weight, std=sqrt(2 / fan_out))
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
