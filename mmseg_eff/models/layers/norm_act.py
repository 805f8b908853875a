"""Normalisation and activation after a concatenation or a sum (ESPNet, ESPNetv2)."""

from collections import OrderedDict

import torch.nn as nn
from mmcv.cnn import build_norm_layer

from .prelu import PReLU


def norm_act(channels: int, norm_cfg: dict) -> nn.Sequential:
    """Batch normalisation followed by a PReLU with one slope per channel.

    Args:
        channels: Channels of the input ``(N, C, H, W)``; the shape stays.
        norm_cfg: Config of the normalisation layer.
    """
    _, norm = build_norm_layer(norm_cfg, channels)
    return nn.Sequential(OrderedDict(norm=norm, act=PReLU(channels)))
