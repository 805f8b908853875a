"""Make the bases of matrix decompositions constant, so that a network can be exported."""

from mmseg.models.decode_heads.ham_head import Matrix_Decomposition_2D_Base
from torch import nn


def keep_bases(model: nn.Module) -> nn.Module:
    """Let every decomposition below ``model`` build its bases once, in place.

    mmseg's Hamburger head (SegNeXt) builds them in every pass, the same ones in evaluation
    (``compat.repeat_random_bases``). Here the first pass keeps them as the buffer ``bases``, as
    mmseg does with ``rand_init=False``.
    """
    for module in model.modules():
        if isinstance(module, Matrix_Decomposition_2D_Base):
            module.rand_init = False
    return model
