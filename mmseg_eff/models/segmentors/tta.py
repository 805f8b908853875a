"""Merge the views of test-time augmentation by their mean probability, for every kind of head."""

import math
from collections.abc import Sequence
from functools import reduce

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from .heads import last_head


@MODELS.register_module()
class MeanProbabilityTTAModel(SegTTAModel):
    """mmseg's ``SegTTAModel`` with one rule for softmax and sigmoid heads.

    The prediction is made from the mean probability of all views; one view is its own mean, so
    labels and logits are those of an evaluation without augmentation. ``SegTTAModel`` applies the
    sigmoid of a single output a second time, which puts every pixel near or above the threshold,
    takes a softmax over sigmoid outputs, and keeps the logits of the last view.

    ``seg_logits`` of the result are logits of the mean probability (of a single sigmoid output the
    mean itself, as mmseg gives it), so that a metric reads them as those of one view. Means are
    taken of logarithms, where saturated probabilities still differ.
    """

    def merge_preds(self, data_samples_list: Sequence[Sequence[SegDataSample]]) -> list:
        """The merged sample of each image, from those of its views; the first one's metainfo."""
        return [self.merge(views) for views in data_samples_list]

    def merge(self, views: Sequence[SegDataSample]) -> SegDataSample:
        """The sample of one image with ``seg_logits`` (C, H, W), ``pred_sem_seg`` (1, H, W)."""
        sample = views[0]
        if len(views) == 1:
            return sample
        maps = [view.seg_logits.data for view in views]
        if len(maps[0]) == 1:  # mmseg has applied the sigmoid
            logits = sum(maps) / len(maps)
            head = last_head(self.module)
            assert head is not None  # its threshold made each view's labels
            labels = (logits > head.threshold).to(logits)
        else:
            mean = mean_sigmoid if has_sigmoid_outputs(self.module) else mean_softmax
            logits = mean(maps)
            labels = logits.argmax(0, keepdim=True)
        merged = dict(seg_logits=PixelData(data=logits), pred_sem_seg=PixelData(data=labels))
        sample.set_data(merged)
        return sample


def has_sigmoid_outputs(model: nn.Module) -> bool:
    """Whether every loss of a segmentor's (last) decode head takes its outputs one by one."""
    losses = getattr(last_head(model), 'loss_decode', None)  # mask classification has none
    losses = losses if isinstance(losses, nn.ModuleList) else [losses]
    return all(getattr(loss, 'use_sigmoid', False) for loss in losses)


def mean_softmax(maps: Sequence[Tensor]) -> Tensor:
    """Logarithm of the mean softmax of logits (C, H, W): logits with that softmax."""
    return reduce(torch.logaddexp, (x.log_softmax(0) for x in maps)) - math.log(len(maps))


def mean_sigmoid(maps: Sequence[Tensor]) -> Tensor:
    """Logits (C, H, W) whose sigmoid is the mean sigmoid of logits."""
    above = reduce(torch.logaddexp, (logsigmoid(x) for x in maps))
    below = reduce(torch.logaddexp, (logsigmoid(-x) for x in maps))
    return above - below
