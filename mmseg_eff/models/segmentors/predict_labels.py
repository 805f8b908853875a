"""Predict labels without upsampling the logits to the size of the image."""

from collections.abc import Sequence
from types import MethodType

import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers import upsample_argmax

OF_MODEL = ('predict', 'inference', 'whole_inference', 'postprocess_result')
PACKAGES = ('mmseg', 'mmseg_eff')


def predict_labels_only(model: EncoderDecoder) -> EncoderDecoder:
    """Make a segmentor's ``predict`` give the same labels faster, in place, and no ``seg_logits``.

    Not for code that reads ``seg_logits``: test-time augmentation, a CRF. Segmentors with sliding
    windows, one logit or a ``predict`` of their own do not change, nor do heads whose output is no
    tensor of logits.
    """
    if predicts_as_mmseg(model) and model.test_cfg.get('mode', 'whole') == 'whole':
        model.predict = MethodType(predict, model)
    return model


def predicts_as_mmseg(model: nn.Module) -> bool:
    """Whether labels are the highest of several logits, by the methods of mmseg's bases or ours."""
    head = getattr(model, 'decode_head', None)
    if not isinstance(model, EncoderDecoder) or not isinstance(head, BaseDecodeHead):
        return False
    if head.out_channels == 1:
        return False
    inherited = ((model, EncoderDecoder, OF_MODEL), (head, BaseDecodeHead, ('predict',)))
    known = (type(model).encode_decode, type(head).predict_by_feat)  # ours cut logits and fuse them
    return all(
        getattr(type(part), name) is getattr(base, name, None)
        for part, base, names in inherited
        for name in names
    ) and all(method.__module__.partition('.')[0] in PACKAGES for method in known)


def predict(
    model: EncoderDecoder, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None
) -> list[SegDataSample]:
    """``pred_sem_seg`` (1, H, W) of each image of ``inputs`` (N, C, h, w), as ``predict`` gives."""
    logits = model._forward(inputs)
    if not isinstance(logits, Tensor):
        return EncoderDecoder.predict(model, inputs, data_samples)
    samples = data_samples or [SegDataSample() for _ in logits]
    for row, sample in zip(logits.split(1), samples, strict=True):
        labels = image_labels(model, row, inputs.shape[2:], sample.metainfo)
        sample.set_data(dict(pred_sem_seg=PixelData(data=labels.long())))
    return list(samples)


def image_labels(model: EncoderDecoder, logits: Tensor, size: torch.Size, meta: dict) -> Tensor:
    """Labels (1, H, W) of the logits (1, C, h, w) of one image.

    Args:
        model: The segmentor.
        logits: As the head gives them.
        size: Of the network's input.
        meta: Of the image: its ``ori_shape``, padding and flip.
    """
    logits = logits[..., : size[0], : size[1]]  # ESPNet's are larger for images of odd size
    left, right, top, bottom = meta.get('img_padding_size', meta.get('padding_size', [0] * 4))
    rows, cols = slice(top, size[0] - bottom), slice(left, size[1] - right)
    dims = {'horizontal': -1, 'vertical': -2}
    flipped = [dims[meta['flip_direction']]] if meta.get('flip') else []
    inner = (rows.stop - rows.start, cols.stop - cols.start)
    of_head, of_image = model.decode_head.align_corners, model.align_corners
    if inner == tuple(meta.get('ori_shape', inner)):  # the second resize would change nothing
        labels = upsample_argmax(logits, size, align_corners=of_head)
        return labels[:, rows, cols].flip(flipped)
    logits = F.interpolate(logits, tuple(size), mode='bilinear', align_corners=of_head)
    logits = logits[..., rows, cols].flip(flipped)
    return upsample_argmax(logits, meta['ori_shape'], align_corners=of_image)
