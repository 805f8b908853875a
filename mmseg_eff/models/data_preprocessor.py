"""Data preprocessor of ESPNet's training: batches of several sizes, ignored pixels as a class."""

from collections.abc import Sequence

import torch
from mmengine.structures import PixelData
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.registry import MODELS
from torch.nn import functional as F


@MODELS.register_module()
class MultiSizeDataPreProcessor(SegDataPreProcessor):
    """``SegDataPreProcessor`` that draws one size for each training batch.

    Whole images are resized after the normalisation (bilinear; labels by nearest neighbour), so
    every batch shows the full field of view at another scale. Evaluation does not change.

    Args:
        batch_sizes: Sizes (H, W) to draw from; empty keeps the size of the pipeline.
        ignore_to_class: Class index that ignored pixels are trained as; ``None`` leaves them
            ignored. The official ESPNet weights have such a class after the real ones.
        ignore_index: Label of the ignored pixels.
        kwargs: Arguments of ``SegDataPreProcessor``.
    """

    def __init__(
        self,
        *,
        batch_sizes: Sequence[tuple[int, int]] = (),
        ignore_to_class: int | None = None,
        ignore_index: int = 255,
        **kwargs,
    ) -> None:
        if kwargs.get('size') is None:  # mmseg wants one of the two: pad to the largest image
            kwargs = {'size_divisor': 1, **kwargs}
        super().__init__(**kwargs)
        self.batch_sizes = [tuple(size) for size in batch_sizes]
        self.ignore_to_class = ignore_to_class
        self.ignore_index = ignore_index

    def forward(self, data: dict, training: bool = False) -> dict:
        """The batch as ``SegDataPreProcessor`` makes it, changed only in training."""
        data = super().forward(data, training)
        if not training:
            return data
        size = tuple(data['inputs'].shape[2:])
        if self.batch_sizes:
            size = self.batch_sizes[int(torch.randint(len(self.batch_sizes), ()))]
            data['inputs'] = F.interpolate(data['inputs'], size=size, mode='bilinear')
        for sample in data['data_samples']:
            label = sample.gt_sem_seg.data[None]  # (1, 1, H, W)
            label = F.interpolate(label.float(), size=size).long()[0]
            if self.ignore_to_class is not None:
                label[label == self.ignore_index] = self.ignore_to_class
            sample.gt_sem_seg = PixelData(data=label)
            sample.set_metainfo(dict(img_shape=size, pad_shape=size))
        return data
