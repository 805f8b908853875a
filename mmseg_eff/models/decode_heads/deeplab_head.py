"""Heads of DeepLabv1 and v2, which mmseg lacks, and the base of all versions' heads.

Chen et al., ICLR 2015, https://arxiv.org/abs/1412.7062 -> DeepLabV1Head (LargeFOV);
Chen et al., TPAMI 2017, https://arxiv.org/abs/1606.00915 -> DeepLabV2Head (sum of classifiers).

The authors upsample with aligned corners: with images of ``k * output_stride + 1`` pixels a side
the maps then lie on every output_stride-th pixel. For other sizes set ``align_corners=False``.
"""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn as nn
from mmcv.cnn import ConvModule
from mmengine.model import normal_init
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional as F

from ..layers.aspp import check_rates
from .arguments import check_num_classes, refuse_configs


class DeepLabHead(BaseDecodeHead):
    """Base of the heads: mmseg's with other defaults, and a check of the maps.

    Args:
        in_channels: See ``BaseDecodeHead``.
        channels: Channels before the classifier.
        num_classes: Number of classes, 1 or more.
        align_corners: Convention of all upsampling.
        kwargs: Further arguments of ``BaseDecodeHead`` (``loss_decode``, ``ignore_index``, …).

    Raises:
        ValueError: If there is no class, at construction; if there are other maps than described,
            when called.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        channels: int,
        num_classes: int,
        *,
        align_corners: bool = True,
        **kwargs,
    ) -> None:
        check_num_classes(num_classes)
        super().__init__(
            in_channels=in_channels,
            channels=channels,
            num_classes=num_classes,
            align_corners=align_corners,
            # The papers drop single values; mmseg's dropout drops channels before the classifier.
            dropout_ratio=0.0,
            **{'init_cfg': None, **kwargs},
        )
        start_classifier(self.conv_seg)

    def _transform_inputs(self, inputs: Sequence[Tensor]) -> Tensor | list[Tensor]:
        """The map taken, or the list of them, if they are what the head was built for."""
        is_single = self.input_transform is None
        indices = [self.in_index] if is_single else self.in_index
        expected = [self.in_channels] if is_single else self.in_channels
        given = [x.shape[1] for x in inputs]
        for index, channels in zip(indices, expected, strict=True):
            if not -len(given) <= index < len(given) or given[index] != channels:
                raise ValueError(
                    f'{type(self).__name__} was built for in_index={self.in_index} of '
                    f'{self.in_channels} channels and got maps of {given} channels'
                )
        return super()._transform_inputs(inputs)


class SmallLabelHead(DeepLabHead):
    """Head of DeepLabv1 and v2, trained at the size of its logits.

    At output stride 8 it uses every eighth label (v3 paper, Sec. 4.1); with aligned corners those
    are the labels that the logits lie on. ``ESPNetCHead`` takes the top left label of
    each part instead.

    Args:
        use_small_labels: False upsamples the logits to the labels instead, as later versions do.
        kwargs: See ``DeepLabHead``.
    """

    def __init__(self, *args, use_small_labels: bool = True, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.use_small_labels = use_small_labels

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list[SegDataSample]) -> dict:
        """Losses of ``seg_logits`` (N, num_classes, h, w) on labels of any size."""
        if self.use_small_labels:
            labels = self._stack_batch_gt(batch_data_samples)  # (N, 1, H, W)
            labels = downsample_labels(labels, seg_logits.shape[2:], self.align_corners)
            batch_data_samples = [
                SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels
            ]
        return super().loss_by_feat(seg_logits, batch_data_samples)


@MODELS.register_module()
class DeepLabV1Head(SmallLabelHead):
    """DeepLab-LargeFOV: VGG-16's fully connected layers as convolutions, the first one atrous.

    Args:
        in_channels: Channels of the map taken, at output stride 8.
        num_classes: Number of classes.
        channels: Channels of the two hidden layers.
        in_index: Which map of the backbone to take.
        atrous_rate: Rate of the 3x3 convolution; 12 gives the large field of view.
        dropout_ratio: Dropout after each hidden layer.
        kwargs: Further arguments of ``SmallLabelHead``; ``conv_cfg``, ``norm_cfg`` (none in the
            paper) and ``act_cfg`` are those of the hidden layers.

    Raises:
        ValueError: See ``DeepLabHead``; if ``atrous_rate`` is below 1.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 1024,
        in_index: int = -1,
        *,
        atrous_rate: int = 12,
        dropout_ratio: float = 0.5,
        **kwargs,
    ) -> None:
        if atrous_rate < 1:
            raise ValueError(f'atrous_rate must be 1 or more, got {atrous_rate}')
        super().__init__(in_channels, channels, num_classes, in_index=in_index, **kwargs)
        conv = partial(
            ConvModule, conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg
        )
        self.hidden = nn.Sequential(
            conv(in_channels, channels, 3, padding=atrous_rate, dilation=atrous_rate),
            nn.Dropout(dropout_ratio),
            conv(channels, channels, 1),
            nn.Dropout(dropout_ratio),
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits ``(N, num_classes, h, w)`` at the size of the map taken."""
        return self.cls_seg(self.hidden(self._transform_inputs(inputs)))


@MODELS.register_module()
class DeepLabV2Head(SmallLabelHead):
    """Atrous spatial pyramid pooling of v2: 3x3 classifiers of several rates, added up.

    Args:
        in_channels: Channels of the map taken, at output stride 8.
        num_classes: Number of classes.
        in_index: Which map of the backbone to take.
        atrous_rates: Rate of each classifier, as it is at the map's stride.
        dropout_ratio: Dropout before the classifiers; the paper has none here.
        kwargs: Further arguments of ``SmallLabelHead``.

    Raises:
        ValueError: See ``DeepLabHead``; if the rates are not one or more of at least 1, or for
            ``conv_cfg`` and ``act_cfg``, which nothing here could use.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        in_index: int = -1,
        *,
        atrous_rates: Sequence[int] = (6, 12, 18, 24),
        dropout_ratio: float = 0.0,
        **kwargs,
    ) -> None:
        reason = 'it has nothing but its classifiers, plain 3x3 convolutions'
        refuse_configs('DeepLabV2Head', kwargs, dict(conv_cfg=reason, act_cfg=reason))
        rates = check_rates(atrous_rates)
        if not rates:
            raise ValueError('atrous_rates must be one or more, got none')
        super().__init__(in_channels, in_channels, num_classes, in_index=in_index, **kwargs)
        self.dropout = nn.Dropout(dropout_ratio)
        self.conv_seg = nn.ModuleList(
            nn.Conv2d(in_channels, self.out_channels, 3, padding=rate, dilation=rate)
            for rate in rates
        )
        for classifier in self.conv_seg:
            start_classifier(classifier)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits ``(N, num_classes, h, w)`` at the size of the map taken."""
        x = self.dropout(self._transform_inputs(inputs))
        return sum(classifier(x) for classifier in self.conv_seg)


def downsample_labels(labels: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """The labels ``(N, 1, H, W)`` nearest to the points of a map of ``size`` (h, w)."""
    if not align_corners:
        return F.interpolate(labels.float(), tuple(size), mode='nearest-exact').to(labels)
    rows, columns = (
        torch.linspace(0, old - 1, new, device=labels.device).round().long()
        for old, new in zip(labels.shape[2:], size, strict=True)
    )
    return labels[..., rows[:, None], columns]


def start_classifier(classifier: nn.Module) -> None:
    """Initialise a classifier as the authors do, in place."""
    normal_init(classifier, std=0.01)
