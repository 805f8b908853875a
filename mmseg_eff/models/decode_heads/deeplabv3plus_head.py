"""Heads of DeepLabv3 (Chen et al., 2017), https://arxiv.org/abs/1706.05587 -> DeepLabV3Head, and
DeepLabv3+ (Chen et al., ECCV 2018), https://arxiv.org/abs/1802.02611, Fig. 2 -> DeepLabV3PlusHead:

    high (1/16) ─ ASPP ─ upsample ─┐
    low (1/4) ── 1x1 to 48 ────────┴ concat ─ 3x3 ─ 3x3 ─ 1x1 to the classes

Both take a dense prediction cell (Chen et al., NeurIPS 2018) in place of ASPP. mmseg's heads have
mmseg's ASPP (see ``layers/aspp.py``) and take one low-level map, the first.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn as nn
from mmcv.cnn import ConvModule
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from ..layers.aspp import ASPP, DEEPLAB_BN, same_size_conv
from ..layers.dense_prediction_cell import PUBLISHED_CELL, DensePredictionCell
from .deeplab_head import DeepLabHead


@MODELS.register_module()
class DeepLabV3Head(DeepLabHead):
    """ASPP, or a dense prediction cell in its place, and a 1x1 classifier.

    Args:
        in_channels: Channels of the map taken; a head with a decoder takes several, the last for
            its context.
        num_classes: Number of classes.
        channels: Channels of all layers but the classifier.
        in_index: Which map of the backbone to take.
        atrous_rates: See ``ASPP``; for output stride 16; ``()`` for MobileNetV2.
        output_stride: 8, 16 or 32, of the map taken; scales the rates of ASPP or cell.
        use_separable: Separable atrous convolutions; see ``ASPP``.
        use_image_pool: See ``ASPP``.
        image_pool_size: Size (h, w) of this map for a training crop; see ``ASPP``.
        cell: A dense prediction cell in place of ASPP, whose arguments are then unused: a list of
            dicts, the path of a JSON file or ``'published'``, the authors' for Cityscapes.
        dropout_ratio: Dropout after ASPP's projection or before the cell's.
        norm_cfg: Config of all normalisation layers; the authors' constants by default.
        kwargs: Further arguments of ``DeepLabHead``; ``conv_cfg`` and ``act_cfg`` are those of all
            layers but the classifier.

    Raises:
        ValueError: See ``DeepLabHead``, ``ASPP`` and ``DensePredictionCell``.
    """

    context: nn.Module

    def __init__(
        self,
        in_channels: int | Sequence[int],
        num_classes: int,
        channels: int = 256,
        in_index: int | Sequence[int] = -1,
        *,
        atrous_rates: Sequence[int] = (6, 12, 18),
        output_stride: int = 16,
        use_separable: bool = False,
        use_image_pool: bool = True,
        image_pool_size: Sequence[int] | None = None,
        cell: Sequence[Mapping] | str | None = None,
        dropout_ratio: float = 0.1,
        norm_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        norm_cfg = norm_cfg or DEEPLAB_BN
        super().__init__(
            in_channels, channels, num_classes, in_index=in_index, norm_cfg=norm_cfg, **kwargs
        )
        shared = dict(
            output_stride=output_stride,
            image_pool_size=image_pool_size,
            dropout_ratio=dropout_ratio,
            norm_cfg=norm_cfg,
            align_corners=self.align_corners,
            conv_cfg=self.conv_cfg,
            act_cfg=self.act_cfg,
        )
        width = in_channels if isinstance(in_channels, int) else in_channels[-1]
        if cell is None:
            self.context = ASPP(
                width,
                channels,
                atrous_rates=atrous_rates,
                use_separable=use_separable,
                use_image_pool=use_image_pool,
                **shared,
            )
        else:
            self.context = DensePredictionCell(width, channels, cell=read_cell(cell), **shared)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits ``(N, num_classes, h, w)`` at the size of the map taken."""
        return self.cls_seg(self.context(self._transform_inputs(inputs)))


@MODELS.register_module()
class DeepLabV3PlusHead(DeepLabV3Head):
    """ASPP or a dense prediction cell, and a decoder that restores boundaries from finer maps.

    ``use_separable=False`` with ``output_stride=16`` on a backbone of output stride 16 or 32 is the
    head that the ESeg paper compares with (Table 8).

    Args:
        in_channels: Channels of the maps taken, finest first; the last is the high-level one.
        num_classes: Number of classes.
        channels: Channels of all layers but the classifier and the low-level projections.
        in_index: Which maps of the backbone to take; several low-level ones need several strides.
        low_level_channels: Channels to which each low-level map is projected.
        use_separable: Separable atrous convolutions in ASPP (a cell always has them).
        use_separable_decoder: Separable convolutions in the decoder.
        kwargs: Further arguments of ``DeepLabV3Head``.

    Raises:
        ValueError: See ``DeepLabV3Head``; unless two or more maps are named.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        channels: int = 256,
        in_index: Sequence[int] = (0, -1),
        *,
        low_level_channels: int = 48,
        use_separable: bool = True,
        use_separable_decoder: bool = True,
        **kwargs,
    ) -> None:
        if len(in_channels) < 2 or len(in_channels) != len(in_index):
            raise ValueError(
                'in_channels and in_index must name two or more maps, got '
                f'{list(in_channels)} and {list(in_index)}'
            )
        super().__init__(
            list(in_channels),
            num_classes,
            channels,
            list(in_index),
            input_transform='multiple_select',
            use_separable=use_separable,
            **kwargs,
        )
        self.decoder = nn.ModuleList(  # coarsest first
            DecoderStage(
                width,
                low_level_channels,
                channels,
                use_separable=use_separable_decoder,
                align_corners=self.align_corners,
                norm_cfg=self.norm_cfg,
                conv_cfg=self.conv_cfg,
                act_cfg=self.act_cfg,
            )
            for width in reversed(in_channels[:-1])
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits ``(N, num_classes, h, w)`` at the size of the finest map taken."""
        *low_level, high = self._transform_inputs(inputs)
        x = self.context(high)
        for stage, low in zip(self.decoder, reversed(low_level), strict=True):
            x = stage(x, low)
        return self.cls_seg(x)


class DecoderStage(nn.Module):
    """Upsample a map to a low-level one, join them, and two 3x3 convolutions.

    Args:
        low_channels: Channels of the low-level map ``(N, C, H, W)``.
        projected_channels: Channels to which it is projected.
        channels: Channels of the other map and of the output ``(N, channels, H, W)``.
        use_separable: Separable 3x3 convolutions.
        align_corners: Convention of the upsampling.
        layer_cfgs: ``conv_cfg``, ``norm_cfg`` and ``act_cfg`` of all convolutions.
    """

    def __init__(
        self,
        low_channels: int,
        projected_channels: int,
        channels: int,
        *,
        use_separable: bool,
        align_corners: bool,
        **layer_cfgs,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.project = ConvModule(low_channels, projected_channels, 1, **layer_cfgs)
        self.fuse = nn.Sequential(
            *(
                same_size_conv(width, channels, use_separable=use_separable, **layer_cfgs)
                for width in (channels + projected_channels, channels)
            )
        )

    def forward(self, x: Tensor, low: Tensor) -> Tensor:
        x = F.interpolate(x, low.shape[2:], mode='bilinear', align_corners=self.align_corners)
        return self.fuse(torch.cat([x, self.project(low)], dim=1))


def read_cell(cell: Sequence[Mapping] | str) -> Sequence[Mapping]:
    """Description of a dense prediction cell, from a JSON file if ``cell`` is its path.

    Raises:
        ValueError: If the file cannot be read.
    """
    if not isinstance(cell, str):
        return cell
    if cell == 'published':
        return PUBLISHED_CELL
    try:
        return json.loads(Path(cell).read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"cell must be 'published' or a JSON file: {cell}: {error}") from error
