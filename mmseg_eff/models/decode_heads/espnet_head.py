"""Heads of ESPNet (Mehta et al., ECCV 2018), https://arxiv.org/abs/1803.06815.

Fig. 4a-c -> ESPNetCHead (logits at 1/8), Fig. 4d -> ESPNetHead (reduce, upsample, merge).

    c3 (1/8) ─ score3 ─ norm ─ up ─┐
    c2 (1/4) ─ score2 ─────────────┴ concat ─ norm, act ─ ESP ─ up, norm, act ─┐
    c1 (1/2) ──────────────────────────────────────────────────────────────────┴ concat ─ 3x3 ─ up

Every "up" is a transposed 2x2 convolution of stride 2. A map of odd size is reached by cutting the
last row or column, so every image size works; where the official code runs, the result is equal.
"""

from collections.abc import Sequence

import torch
import torch.nn as nn
from mmcv.cnn import build_norm_layer
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional as F

from ..backbones.espnet import ESPBlock
from ..layers import norm_act
from .arguments import check_num_classes, refuse_configs

FEW_CLASSES_CHANNELS = 20  # the author's width for datasets of two or three classes


def crop_to(x: Tensor, size: Sequence[int]) -> Tensor:
    """Cut ``x`` (N, C, h, w) at the bottom and right to ``size`` (H, W), not larger than it.

    A map of this size already is returned as it is.
    """
    given = x.shape[2:]
    if all(isinstance(side, int) for side in (*given, *size)):
        return x if given == tuple(size) else x[..., : size[0], : size[1]]
    # Slicing to a symbolic size would fix in the exported graph whether the sample input was cut.
    for dim, length in zip((-2, -1), size, strict=True):
        x = x.index_select(dim, torch.arange(length, device=x.device))
    return x


def cut_excess(seg_logits: Tensor, size: Sequence[int]) -> Tensor:
    """Cut logits (N, C, h, w) of an image of odd size to ``size`` (H, W) at most."""
    return seg_logits[..., : size[0], : size[1]]


@MODELS.register_module()
class ESPNetHead(BaseDecodeHead):
    """Light decoder of ESPNet: full-resolution logits from maps of three successive strides.

    Works on any backbone: the logits have twice the size of the finest map (one row or column more
    than an image of odd size; ``loss`` and ``predict`` cut it).

    Args:
        in_channels: Channels of the three maps taken, finest first.
        num_classes: Number of classes, 1 or more.
        channels: Width of the decoder. ``None`` takes ``num_classes`` as the official code does,
            and 20 where there are fewer classes than ``num_branches``.
        in_index: Which maps of the backbone to take, finest first.
        num_branches: Parallel convolutions of the decoder's ESP block, K.
        norm_cfg: Config of all normalisation layers.
        dropout_ratio: Dropout before the last layer; the paper uses none.
        kwargs: Further arguments of ``BaseDecodeHead`` (``loss_decode``, ``ignore_index``, …).

    Raises:
        ValueError: If the arguments do not fit, or for ``conv_cfg`` and ``act_cfg``.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        channels: int | None = None,
        in_index: Sequence[int] = (0, 1, 2),
        num_branches: int = 5,
        *,
        norm_cfg: dict | None = None,
        dropout_ratio: float = 0.0,
        **kwargs,
    ) -> None:
        check_num_classes(num_classes)
        reasons = dict(
            conv_cfg='its convolutions are plain ones', act_cfg='every activation is a PReLU'
        )
        refuse_configs('ESPNetHead', kwargs, reasons)
        if len(in_channels) != 3 or len(in_index) != 3:
            raise ValueError(
                'in_channels and in_index must name three maps, got '
                f'{list(in_channels)} and {list(in_index)}'
            )
        if channels is None:
            channels = num_classes if num_classes >= num_branches else FEW_CLASSES_CHANNELS
        norm_cfg = norm_cfg or dict(type='BN', eps=1e-3)
        super().__init__(
            in_channels=list(in_channels),
            channels=channels,
            num_classes=num_classes,
            in_index=list(in_index),
            input_transform='multiple_select',
            dropout_ratio=dropout_ratio,
            norm_cfg=norm_cfg,
            **{'init_cfg': None, **kwargs},
        )

        def up(out_channels: int) -> nn.ConvTranspose2d:
            return nn.ConvTranspose2d(channels, out_channels, 2, stride=2, bias=False)

        c1, c2, c3 = in_channels
        self.score3 = nn.Conv2d(c3, channels, 1, bias=False)
        self.norm3 = build_norm_layer(norm_cfg, channels)[1]  # no activation here
        self.up3 = up(channels)
        self.score2 = nn.Conv2d(c2, channels, 1, bias=False)
        self.fuse2 = norm_act(2 * channels, norm_cfg)
        self.esp2 = ESPBlock(
            2 * channels, channels, num_branches, use_residual=False, norm_cfg=norm_cfg
        )
        self.up2 = nn.Sequential(up(channels), norm_act(channels, norm_cfg))
        self.fuse1 = nn.Sequential(
            nn.Conv2d(channels + c1, channels, 3, padding=1, bias=False),
            norm_act(channels, norm_cfg),
        )
        self.conv_seg = up(self.out_channels)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits ``(N, num_classes, 2 h, 2 w)`` for a finest map of ``(N, C, h, w)``."""
        c1, c2, c3 = self._transform_inputs(inputs)
        p3 = self.up3(self.norm3(self.score3(c3)))
        p3 = crop_to(p3, c2.shape[2:])
        p2 = self.esp2(self.fuse2(torch.cat([self.score2(c2), p3], dim=1)))
        p2 = crop_to(self.up2(p2), c1.shape[2:])
        p1 = self.fuse1(torch.cat([p2, c1], dim=1))
        return self.cls_seg(p1)

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list[SegDataSample]) -> dict:
        """Losses of ``seg_logits`` cut to the labels' size."""
        size = batch_data_samples[0].gt_sem_seg.shape
        return super().loss_by_feat(cut_excess(seg_logits, size), batch_data_samples)

    def predict_by_feat(self, seg_logits: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """``seg_logits`` cut to the size of the network's input."""
        meta = batch_img_metas[0]
        # Sliding windows give their size as torch.Size and keep the whole image's pad_shape.
        is_window = isinstance(meta['img_shape'], torch.Size)
        size = meta['img_shape'] if is_window else meta.get('pad_shape', meta['img_shape'])
        return super().predict_by_feat(cut_excess(seg_logits, size), batch_img_metas)


@MODELS.register_module()
class ESPNetCHead(BaseDecodeHead):
    """Classifier of ESPNet-A, -B and -C: one 1x1 convolution without bias, trained at 1/8.

    The loss is taken at the logits' own size on labels that are scaled down to it (nearest
    neighbour), as in stage 1 of the official training. Predictions are upsampled bilinearly.
    Its layer has the name of the same layer in ``ESPNetHead``, so that stage 2 starts from it.

    Args:
        in_channels: Channels of the map taken.
        num_classes: Number of classes, 1 or more.
        in_index: Which map of the backbone to take.
        dropout_ratio: Dropout before the classifier; the paper uses none.
        align_corners: Convention of the final upsampling; true as in the official code.
        kwargs: Further arguments of ``BaseDecodeHead`` (``loss_decode``, ``ignore_index``, …).

    Raises:
        ValueError: If there is no class, or for ``conv_cfg`` and ``act_cfg``.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        in_index: int = -1,
        *,
        dropout_ratio: float = 0.0,
        align_corners: bool = True,
        **kwargs,
    ) -> None:
        check_num_classes(num_classes)
        reason = 'it is one plain 1x1 convolution'
        refuse_configs('ESPNetCHead', kwargs, dict(conv_cfg=reason, act_cfg=reason))
        super().__init__(
            in_channels=in_channels,
            channels=in_channels,
            num_classes=num_classes,
            in_index=in_index,
            dropout_ratio=dropout_ratio,
            align_corners=align_corners,
            **{'init_cfg': None, **kwargs},
        )
        del self.conv_seg
        self.score3 = nn.Conv2d(in_channels, self.out_channels, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits ``(N, num_classes, h, w)`` for a map of ``(N, in_channels, h, w)``."""
        x = self._transform_inputs(inputs)
        if self.dropout is not None:
            x = self.dropout(x)
        return self.score3(x)

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list[SegDataSample]) -> dict:
        """Losses at the size of ``seg_logits``."""
        labels = self._stack_batch_gt(batch_data_samples)  # (N, 1, H, W)
        labels = F.interpolate(labels.float(), size=seg_logits.shape[2:]).long()
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
        return super().loss_by_feat(seg_logits, samples)
