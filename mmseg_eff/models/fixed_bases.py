"""Give matrix decompositions the same start in every forward pass.

mmseg's Hamburger head (SegNeXt) starts its decomposition from new random bases in every pass, in
evaluation, too: two predictions of one image differ, and no export could agree with the network.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

SEED = 0


def fix_random_bases(model: nn.Module) -> nn.Module:
    """Let every decomposition below ``model`` start from the same bases, in place.

    The modules keep them as the buffer ``bases``, as mmseg does with ``rand_init=False``.
    """
    module: Any  # mmseg's class is private: known by its attributes
    for module in model.modules():
        if getattr(module, 'rand_init', False) and hasattr(module, '_build_bases'):
            module.rand_init = False
            module._build_bases = partial(seeded, module._build_bases)
    return model


def seeded(build: Callable[..., Tensor], *args, **kwargs) -> Tensor:
    """What ``build`` draws after a fixed seed; later random numbers stay as they would be."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return build(*args, **kwargs)
