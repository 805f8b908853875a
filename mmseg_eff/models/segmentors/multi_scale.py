"""Run one network on several sizes of the image and fuse the logits.

DeepLabv2 (Chen et al., TPAMI 2017), https://arxiv.org/abs/1606.00915, Sec. 4.1.
"""

from collections.abc import Sequence

import torch
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import add_prefix
from torch import Tensor
from torch.nn import functional as F

FUSIONS = ('max', 'mean')


@MODELS.register_module()
class MultiScaleEncoderDecoder(EncoderDecoder):
    """One network on several sizes of the image, whose logits are fused position by position.

    The logits of every scale are upsampled to those of the largest one. In training each scale has
    a loss, at its own size, in addition to the loss of the fused logits. An auxiliary head sees the
    largest scale. Works with every head of mmseg that computes its losses from its logits.

    Args:
        scales: Factors of the image's size.
        fusion: ``'max'`` (the paper's) or ``'mean'``.
        kwargs: Arguments of mmseg's ``EncoderDecoder``.

    Raises:
        ValueError: If there is no scale, one is not above 0, or the fusion is unknown.
    """

    def __init__(
        self, *args, scales: Sequence[float] = (0.5, 0.75, 1.0), fusion: str = 'max', **kwargs
    ) -> None:
        if not scales or min(scales) <= 0 or len(set(scales)) < len(scales):
            raise ValueError(
                f'scales must be one or more different numbers above 0, got {list(scales)}'
            )
        if fusion not in FUSIONS:
            raise ValueError(f'fusion must be one of {FUSIONS}, got {fusion!r}')
        super().__init__(*args, **kwargs)
        self.scales = sorted(scales)
        self.fusion = fusion

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Losses of the fused logits (``decode.…``) and of each scale (``scale_0.5.…``)."""
        maps, logits = self.run_scales(inputs)
        losses = {}
        if len(logits) > 1:  # else the fused logits are those of the only scale
            for scale, score in zip(self.scales, logits, strict=True):
                of_scale = self.decode_head.loss_by_feat(score, data_samples)
                losses.update(add_prefix(of_scale, f'scale_{scale:g}'))
        fused = self.decode_head.loss_by_feat(self.fuse(logits), data_samples)
        losses.update(add_prefix(fused, 'decode'))
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_head_forward_train(maps, data_samples))
        return losses

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Fused logits ``(N, num_classes, H, W)`` at the images' size."""
        return self.decode_head.predict_by_feat(self._forward(inputs), batch_img_metas)

    def _forward(self, inputs: Tensor, data_samples: list | None = None) -> Tensor:
        """Fused logits ``(N, num_classes, h, w)`` at the head's size for the largest scale."""
        return self.fuse(self.run_scales(inputs)[1])

    def run_scales(self, inputs: Tensor) -> tuple[Sequence[Tensor], list[Tensor]]:
        """Maps of the largest scale, and the logits of all, smallest first."""
        logits = []
        for scale in self.scales:
            maps = self.extract_feat(self.resize(inputs, scale))
            logits.append(self.decode_head(maps))
        return maps, logits

    def resize(self, image: Tensor, scale: float) -> Tensor:
        """``image`` (N, C, H, W) at another size; with aligned corners, 2k + 1 halves to k + 1."""
        if scale == 1:
            return image
        excess = 1 if self.align_corners else 0
        size = [
            torch.sym_max(1, torch.sym_int((side - excess) * scale) + excess)
            for side in image.shape[2:]
        ]
        return F.interpolate(image, size, mode='bilinear', align_corners=self.align_corners)

    def fuse(self, logits: Sequence[Tensor]) -> Tensor:
        """One map from maps ``(N, num_classes, h_i, w_i)``, at the size of the last."""
        size = logits[-1].shape[2:]
        upsampled = torch.stack(
            [
                F.interpolate(x, size, mode='bilinear', align_corners=self.align_corners)
                for x in logits
            ]
        )
        return upsampled.amax(0) if self.fusion == 'max' else upsampled.mean(0)
