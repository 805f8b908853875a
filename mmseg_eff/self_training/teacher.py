"""A segmentor as the teacher of self-training (ESeg): its mean probabilities over sizes and
flips of an image, and which of its labels are sure enough to train on.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import Compose
from mmseg.models import BaseSegmentor
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..datasets.image_reader import Loaded, compose, split_pipeline
from ..datasets.label_rules import DROPPED
from ..errors import InputError
from ..inference.segmentor import predict_sample
from ..models.segmentors.heads import last_head
from ..models.segmentors.tta import has_sigmoid_outputs

SIZES = ('scale', 'scale_factor', 'max_size')  # arguments of mmcv's and mmseg's resizing


class PseudoLabel(NamedTuple):
    """What a teacher says of an image.

    Attributes:
        label: Class of each pixel (H, W), uint8; the ignored label where it is not sure, or sees
            no class.
        confidence: Largest mean probability of each pixel (H, W), float32.
        predicted: Pixels of each class (C,), sure or not.
        kept: Pixels of each class (C,) in ``label``.
    """

    label: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    predicted: list[int]
    kept: list[int]


def build_views(
    pipeline: Sequence[ConfigDict], scales: Sequence[float], flip: bool
) -> list[Compose]:
    """The ways to show an image: a config's test pipeline at each size, and mirrored.

    Args:
        pipeline: The test pipeline; what loads the image and its labels is left out.
        scales: Factors of the size that the pipeline resizes to, or else of the image's own.
        flip: Show each size mirrored left to right, too.

    Raises:
        InputError: If the pipeline pads: the padding would stay in mmseg's predictions.
    """
    _, steps = split_pipeline(pipeline)
    if any(step['type'] == 'Pad' for step in steps):
        raise InputError(
            'test_pipeline: Pad cannot be undone behind the network; pad by the '
            'data_preprocessor, test_cfg=dict(size=…) or dict(size_divisor=…)'
        )
    if not any(name in step for step in steps for name in SIZES):
        steps.insert(0, dict(type='Resize', scale_factor=1.0, keep_ratio=True))
    views = []
    for scale, is_mirrored in product(scales, [False, True] if flip else [False]):
        *resized, pack = [
            {name: times(value, scale) if name in SIZES else value for name, value in step.items()}
            for step in steps
        ]
        mirror = [dict(type='RandomFlip', prob=1.0, direction='horizontal')] if is_mirrored else []
        views.append(compose([*resized, *mirror, pack]))
    return views


def times(value: float | Sequence[float] | None, scale: float) -> float | tuple | None:
    """A size in pixels (whole) or a factor, or several of them, multiplied by ``scale``."""
    if value is None:
        return None
    if isinstance(value, Sequence):
        return tuple(times(part, scale) for part in value)
    return round(value * scale) if isinstance(value, int) else value * scale


@torch.no_grad()
def mean_probabilities(model: BaseSegmentor, views: Sequence[Compose], image: Loaded) -> Tensor:
    """Mean over the views of the probabilities (C, H, W) of all C outputs, at the image's size.

    One sigmoid output counts as two classes. Memory holds one view's logits and the sum.

    Args:
        model: Segmentor of ``load_segmentor``.
        views: Of ``build_views``.
        image: Of ``ImageReader``.
    """
    total = view_probabilities(model, views[0], image)
    for view in views[1:]:
        total += view_probabilities(model, view, image)
    return total.div_(len(views))


def view_probabilities(model: BaseSegmentor, view: Compose, image: Loaded) -> Tensor:
    """Probabilities (C, H, W) of a loaded image in one view, turned back and at its size."""
    sample = predict_sample(model, view, image)
    logits = sample.seg_logits.data.float()
    if len(logits) == 1:  # mmseg has applied the sigmoid
        return torch.cat([1 - logits, logits])
    return logits.sigmoid() if has_sigmoid_outputs(model) else logits.softmax(0)


def threshold_of(model: BaseSegmentor) -> float | None:
    """The probability that makes a pixel foreground; ``None`` for more than one output."""
    head = last_head(model)
    return head.threshold if head.out_channels == 1 else None


def choose_labels(
    probabilities: Tensor,
    thresholds: Sequence[float],
    ignore_index: int = DROPPED,
    foreground: float | None = None,
) -> PseudoLabel:
    """The labels that a teacher is sure of.

    Args:
        probabilities: Of all outputs (C', H, W); outputs from C on are no class (the void).
        thresholds: The probability of each class (C,) that a pixel must exceed to keep its label.
        ignore_index: Label of the other pixels; the training's dataset must ignore it.
        foreground: Of a network with one output: label 1 is where its probability exceeds this.
    """
    num_classes = len(thresholds)
    limits = torch.tensor(thresholds, device=probabilities.device)
    limits = F.pad(limits, (0, len(probabilities) - num_classes), value=torch.inf)
    confidence, best = probabilities.max(0)
    if foreground is not None:
        best = (probabilities[1] > foreground).long()
        confidence = probabilities.gather(0, best[None])[0]
    is_kept = confidence > limits[best]

    def count(classes: Tensor) -> list[int]:
        return classes.flatten().bincount(minlength=num_classes)[:num_classes].tolist()

    label = best.masked_fill(~is_kept, ignore_index).byte()
    return PseudoLabel(
        label.cpu().numpy(), confidence.cpu().numpy(), count(best), count(best[is_kept])
    )
