"""Mean IoU of an exported network, and of what may take its engine's place, on labelled images."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmseg.evaluation import IoUMetric
from numpy.typing import NDArray

from ..datasets.image_reader import ImageReader
from ..errors import InputError
from ..utils.image_io import Label
from .backends import Run
from .dataset_images import IGNORED, DatasetImage
from .runtime import Segmenter
from .segmentor import ExportedSegmentor


class Prepared(Sequence[dict[str, NDArray]]):
    """Inputs of a network by name, each image being read when it is taken.

    Args:
        network: The network, which prepares them.
        reader: Reads the images.
        images: The images.
    """

    def __init__(
        self, network: Segmenter, reader: ImageReader, images: Sequence[DatasetImage]
    ) -> None:
        self.network, self.reader, self.images = network, reader, images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index):  # an index or a slice
        if isinstance(index, slice):
            return Prepared(self.network, self.reader, self.images[index])
        path = self.images[index].path
        pixels = self.reader.read(path)['img']
        try:
            self.network.check_size(pixels.shape[:2])
            return self.network.prepare(pixels)
        except ValueError as error:
            raise InputError(f'{path}: {error}') from error


@dataclass(frozen=True)
class Validation:
    """What a backend may judge parts of its network by.

    Attributes:
        inputs: Of the test images.
        max_drop: Points of mean IoU that may be lost.
        score: From a network's engine and indices of ``inputs`` to the mean IoU in percent over
            these images, and that of each.
    """

    inputs: Sequence[dict[str, NDArray]]
    max_drop: float
    score: Callable[[Run, Iterable[int]], tuple[float, list[float]]]


def validation_of(
    network: Segmenter, reader: ImageReader, images: Sequence[DatasetImage], max_drop: float
) -> Validation:
    """The validation of engines that take the place of a network's, on images."""
    num_classes = len(network.report['classes'])

    def score(run: Run, indices: Iterable[int]) -> tuple[float, list[float]]:
        segmentor = ExportedSegmentor(Segmenter(network.report, run), reader)
        areas = [
            class_areas(
                segmentor.segment(reader.read(images[index].path)),
                images[index].labels(),
                num_classes,
            )
            for index in indices
        ]
        return mean_iou(areas), [mean_iou([area]) for area in areas]

    return Validation(Prepared(network, reader, images), max_drop, score)


def class_areas(predicted: Label, true: Label, num_classes: int) -> NDArray[np.float64]:
    """Pixels in the intersection and the union of each class, ``(2, num_classes)``; 255 ignored."""
    areas = IoUMetric.intersect_and_union(
        torch.from_numpy(predicted), torch.from_numpy(true), num_classes, IGNORED
    )
    return torch.stack(areas[:2]).double().numpy()


def mean_iou(areas: Sequence[NDArray[np.float64]]) -> float:
    """Mean IoU in percent of the ``class_areas`` of images, over the classes that occur."""
    intersection, union = np.sum(areas, axis=0)
    occurs = union > 0
    return 100 * float((intersection[occurs] / union[occurs]).mean()) if occurs.any() else 0.0
