"""Normalisation of maps that may have one value a channel."""

import torch.nn as nn
from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


def normalise(norm: nn.Module, x: Tensor) -> Tensor:
    """``norm(x)``, also for a single 1x1 map in training.

    One value a channel has no variance and torch raises an error; the running statistics are used
    then. They are not updated.

    Args:
        norm: Any layer; other kinds than batch normalisation are simply called.
        x: ``(N, C, H, W)``; the shape stays.
    """
    if (
        isinstance(norm, _BatchNorm)
        and x.numel() == x.shape[1]
        and norm.training
        and norm.track_running_stats
    ):
        return F.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
        )
    return norm(x)
