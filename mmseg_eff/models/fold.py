"""A network of the same function with fewer operations."""

import torch
from mmcv.cnn import fuse_conv_bn
from mmseg.models.segmentors import EncoderDecoder

from .decode_heads import WeightedSumHead
from .necks import BiFPN


@torch.no_grad()
def fold(model: EncoderDecoder) -> EncoderDecoder:
    """Fold what is constant at inference, in place; the outputs differ by rounding alone.

    Batch normalisation goes into the convolution before it and learned fusion weights become
    numbers. Behind a ``BiFPN``, the weights of a ``WeightedSumHead`` go into the neck's last
    convolutions as well (a positive factor commutes with its pooling and enlarging), so that the
    head only adds.

    Args:
        model: A segmentor in evaluation mode. It cannot be trained or loaded into afterwards.

    Raises:
        ValueError: If it is in training mode.
    """
    if model.training:
        raise ValueError('fold() is for inference: call eval() first')
    neck = model.neck if model.with_neck else None
    head = model.decode_head
    if isinstance(neck, BiFPN):
        takes_all = isinstance(head, WeightedSumHead) and list(head.in_index) == list(
            range(len(neck.out_channels))
        )
        neck.fold(head.coefficients().tolist() if takes_all else None)
        if takes_all:
            head.fold(use_plain_sum=True)
    if isinstance(head, WeightedSumHead) and head.constants is None:
        head.fold()
    return fuse_conv_bn(model)
