"""Eight-bit networks: NNCF on the OpenVINO model, giving back to float32 what costs accuracy."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from mmseg.evaluation import IoUMetric
from numpy.typing import NDArray

from .backends import deploy_package

if TYPE_CHECKING:
    import openvino

Label = NDArray[np.uint8]  # (H, W)
Sample = TypeVar('Sample')
IGNORED = 255
RANKING_SAMPLES = 16  # of the validation, to find the operations that cost accuracy


def class_areas(predicted: Label, true: Label, num_classes: int) -> NDArray[np.float64]:
    """Pixels in the intersection and the union of each class, ``(2, num_classes)``; 255 ignored."""
    areas = IoUMetric.intersect_and_union(
        torch.from_numpy(predicted), torch.from_numpy(true), num_classes, IGNORED
    )
    return torch.stack(areas[:2]).double().numpy()


def mean_iou(areas: Iterable[NDArray[np.float64]]) -> float:
    """Mean IoU in percent of the ``class_areas`` of images, over the classes that occur."""
    intersection, union = sum(areas)
    occurs = union > 0
    return 100 * float((intersection[occurs] / union[occurs]).mean()) if occurs.any() else 0.0


def quantise(
    model: 'openvino.Model',
    calibration: Sequence[Sample],
    validation: Sequence[Sample],
    prepare: Callable[[Sample], dict[str, NDArray]],
    label: Callable[[Sample], Label],
    *,
    num_classes: int,
    max_drop: float,
) -> 'openvino.Model':
    """A copy of a model in 8 bits, but for the operations that cost too much accuracy.

    Finding these takes minutes: each is given back to float32 by itself and measured.

    Args:
        model: Model from images to labels.
        calibration: Samples that the ranges of the values are taken from.
        validation: Samples to measure the accuracy on.
        prepare: The model's inputs, by name, of a sample.
        label: The true labels of a sample.
        num_classes: Number of classes.
        max_drop: What the mean IoU on ``validation`` may lose, in points.
    """
    nncf = deploy_package('nncf')
    logging.getLogger('nncf').setLevel(logging.ERROR)

    def score(
        compiled: 'openvino.CompiledModel', samples: Iterable[Sample]
    ) -> tuple[float, list[float]]:
        areas = [
            class_areas(compiled(prepare(sample))[0][0], label(sample), num_classes)
            for sample in samples
        ]
        return mean_iou(areas), [mean_iou([area]) for area in areas]

    return nncf.quantize_with_accuracy_control(
        model,
        nncf.Dataset(calibration, prepare),
        nncf.Dataset(validation, prepare),
        score,
        max_drop=max_drop,
        subset_size=len(calibration),
        preset=nncf.QuantizationPreset.MIXED,
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
            ranking_subset_size=RANKING_SAMPLES
        ),
    )


def quantise_all(
    model: 'openvino.Model',
    calibration: Sequence[Sample],
    prepare: Callable[[Sample], dict[str, NDArray]],
) -> 'openvino.Model':
    """A copy of a model with everything in 8 bits that can be; arguments as of ``quantise``."""
    nncf = deploy_package('nncf')
    logging.getLogger('nncf').setLevel(logging.ERROR)
    return nncf.quantize(
        model,
        nncf.Dataset(calibration, prepare),
        subset_size=len(calibration),
        preset=nncf.QuantizationPreset.MIXED,
    )
