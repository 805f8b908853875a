"""What several tests share."""

import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def samples(labels: Tensor) -> list[SegDataSample]:
    """Data samples of labels (N, H, W)."""
    size = tuple(labels.shape[1:])
    meta = dict(img_shape=size, ori_shape=size, pad_shape=size)
    return [
        SegDataSample(gt_sem_seg=PixelData(data=label[None]), metainfo=meta) for label in labels
    ]


def build_segmentor(backbone: dict, decode_head: dict, **kwargs) -> nn.Module:
    return MODELS.build(
        ConfigDict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='SegDataPreProcessor', size_divisor=1),
            backbone=backbone,
            decode_head=decode_head,
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
            **kwargs,
        )
    )


def train_step(
    backbone: dict, decode_head: dict, size: tuple[int, int] = (45, 71)
) -> dict[str, Tensor]:
    """One forward and backward pass of a segmentor; its log, with ``loss``."""
    model = build_segmentor(backbone, decode_head)
    labels = torch.randint(decode_head['num_classes'], (2, *size))
    losses = model.loss(torch.randn(2, 3, *size), samples(labels))
    loss, log = model.parse_losses(losses)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    return log
