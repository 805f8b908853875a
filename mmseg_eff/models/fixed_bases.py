"""Keep the bases of matrix decompositions as constants, so that a network can be exported."""

from torch import nn


def keep_bases(model: nn.Module) -> nn.Module:
    """Let every decomposition below ``model`` build its bases once, in place.

    mmseg's Hamburger head (SegNeXt) builds them in every pass, the same ones in evaluation
    (``compat.repeat_random_bases``). Here the first pass keeps them as the buffer ``bases``, as
    mmseg does with ``rand_init=False``.
    """
    for module in model.modules():
        if hasattr(module, 'rand_init') and hasattr(module, '_build_bases'):
            module.rand_init = False
    return model
