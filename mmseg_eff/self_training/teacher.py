"""The teacher of self-training: mean probabilities over scales and flips, and sure labels.

Source: ESeg (Meng et al., 2022), https://arxiv.org/abs/2203.12683.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

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
from ..inference.segmentor import predict_sample, probabilities_of
from ..models.segmentors.heads import last_head

SIZES = ('scale', 'scale_factor', 'max_size')  # arguments of mmcv's and mmseg's resizing


class PseudoLabel(NamedTuple):
    """The pseudo label of an image.

    Attributes:
        label: Class of each pixel (H, W), uint8; the ignored label where the teacher is not sure
            or predicts no class.
        confidence: Mean probability of the predicted class of each pixel (H, W), float32.
        predicted: Pixels predicted as each class (C,), sure or not.
        kept: Pixels of each class (C,) in ``label``.
    """

    label: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    predicted: list[int]
    kept: list[int]


class Teacher:
    """A segmentor, and the views in which it sees an image.

    Args:
        model: Segmentor of ``load_segmentor``.
        scales: See ``build_views``.
        flip: See ``build_views``.

    Raises:
        InputError: See ``build_views``.
    """

    def __init__(self, model: BaseSegmentor, scales: Sequence[float], flip: bool) -> None:
        self.model = model
        self.views = build_views(model.cfg.test_pipeline, scales, flip)
        self.foreground = threshold_of(model)

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self.model.dataset_meta['classes'])

    def label(
        self, image: Loaded, thresholds: Sequence[float], ignore_index: int = DROPPED
    ) -> PseudoLabel:
        """The pseudo label of an image of ``ImageReader``; see ``choose_labels``."""
        probabilities = mean_probabilities(self.model, self.views, image)
        return choose_labels(probabilities, thresholds, ignore_index, self.foreground)


def build_views(
    pipeline: Sequence[ConfigDict], scales: Sequence[float], flip: bool
) -> list[Compose]:
    """The transforms of each view of an image: the test pipeline at each scale, plain and flipped.

    Args:
        pipeline: The test pipeline; transforms that load the image or its labels are left out.
        scales: Factors of the size that the pipeline resizes to, or of the image's own size if it
            does not resize.
        flip: Add the view flipped left to right of each scale.

    Raises:
        InputError: If the pipeline pads: the padding would stay in mmseg's predictions.
    """
    _, steps = split_pipeline(pipeline)
    if any(step['type'] == 'Pad' for step in steps):
        raise InputError(
            'test_pipeline: Pad cannot be undone after the network; pad by the '
            'data_preprocessor, test_cfg=dict(size=…) or dict(size_divisor=…)'
        )
    if not any(name in step for step in steps for name in SIZES):
        steps.insert(0, dict(type='Resize', scale_factor=1.0, keep_ratio=True))
    views = []
    for scale, is_flipped in product(scales, [False, True] if flip else [False]):
        *resized, pack = [
            {name: times(value, scale) if name in SIZES else value for name, value in step.items()}
            for step in steps
        ]
        flipped = [dict(type='RandomFlip', prob=1.0, direction='horizontal')] if is_flipped else []
        views.append(compose([*resized, *flipped, pack]))
    return views


def times(value: float | Sequence[float] | None, scale: float) -> float | tuple | None:
    """A size in pixels (int) or a factor (float), or several of them, multiplied by ``scale``."""
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
        views: What ``build_views`` returns.
        image: Image that ``ImageReader`` has loaded.
    """
    total = view_probabilities(model, views[0], image)
    for view in views[1:]:
        total += view_probabilities(model, view, image)
    return total.div_(len(views))


def view_probabilities(model: BaseSegmentor, view: Compose, image: Loaded) -> Tensor:
    """Probabilities (C, H, W) of a loaded image in one view, flipped back and at its size."""
    return probabilities_of(model, predict_sample(model, view, image).seg_logits.data)


def threshold_of(model: BaseSegmentor) -> float | None:
    """The probability that makes a pixel foreground; ``None`` for more than one output."""
    head: Any = last_head(model)
    return head.threshold if head.out_channels == 1 else None


def choose_labels(
    probabilities: Tensor,
    thresholds: Sequence[float],
    ignore_index: int = DROPPED,
    foreground: float | None = None,
) -> PseudoLabel:
    """The pseudo label of an image from its probabilities.

    Args:
        probabilities: Probabilities of all outputs (C', H, W); outputs from C on are no class (the
            void).
        thresholds: Per class (C,), the probability that a pixel must exceed to keep its label.
        ignore_index: Label of the other pixels; the dataset of the training must ignore it.
        foreground: For a network with one output: label 1 is where its probability exceeds this.
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
