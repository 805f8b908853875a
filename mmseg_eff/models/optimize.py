"""Rewrite a network for faster inference with the same outputs."""

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import nn

from .decode_heads import WeightedSumHead
from .fixed_bases import keep_bases
from .fuse_norms import fuse_norms
from .layers import SubpixelConv
from .necks import BiFPN


@torch.no_grad()
def optimize_for_inference(model: EncoderDecoder) -> EncoderDecoder:
    """Rewrite a segmentor for inference, in place; the outputs differ by rounding alone.

    - Matrix decompositions keep their bases (``keep_bases``).
    - Modules with a cheaper form for inference take it: every module with a ``fold()``.
    - Batch normalisation is folded into the convolution before it where the data flow allows it
      (``fuse_norms``).
    - Transposed 2x2 convolutions become 1x1 convolutions and pixel shuffles.
    - After a ``BiFPN``, the weights of a ``WeightedSumHead`` are folded into the neck's last
      convolutions (a positive factor commutes with its pooling and upsampling): the head only adds.

    Args:
        model: A segmentor in evaluation mode. It cannot be trained or loaded into afterwards.

    Raises:
        ValueError: If it is in training mode.
    """
    if model.training:
        raise ValueError('optimize_for_inference() is for inference: call eval() first')
    keep_bases(model)
    done = fold_weighted_sum(model)
    for module in list(model.modules()):
        if hasattr(module, 'fold') and module not in done:
            module.fold()
    replace_transposed(model)
    fuse_norms(model)
    return model


def fold_weighted_sum(model: EncoderDecoder) -> set[nn.Module]:
    """Fold the weights of a ``WeightedSumHead`` into a ``BiFPN`` that feeds nothing else.

    Returns:
        The modules folded.
    """
    neck, head = getattr(model, 'neck', None), model.decode_head
    if not (isinstance(head, WeightedSumHead) and isinstance(neck, BiFPN)):
        return set()
    if list(head.in_index) != list(range(len(neck.out_channels))):
        return set()
    neck.fold(head.coefficients().tolist())
    head.fold(use_plain_sum=True)
    return {neck, head}


def replace_transposed(module: nn.Module) -> None:
    """Replace transposed 2x2 convolutions of stride 2 below ``module``."""
    for name, child in module.named_children():
        if SubpixelConv.fits(child):
            setattr(module, name, SubpixelConv(child))
        else:
            replace_transposed(child)
