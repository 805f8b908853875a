"""Quantize an OpenVINO network to 8 bits with NNCF, if that keeps its accuracy and is faster."""

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from mmseg.evaluation import IoUMetric
from numpy.typing import NDArray

from ..datasets.image_reader import ImageReader, LabelsImages
from ..errors import InputError
from ..utils.image_io import Label
from .backends import deploy_package
from .backends.openvino import save as save_openvino
from .dataset_images import IGNORED, DatasetImage
from .runtime import Segmenter, load_network
from .segmentor import ExportedSegmentor
from .verify import Agreement, compare, latencies

if TYPE_CHECKING:
    import openvino

MODEL = 'int8.xml'
RANKING_IMAGES = 16  # of the validation, to find the operations that cost accuracy

Prepare = Callable[[DatasetImage], dict[str, NDArray]]  # -> inputs of the network, by name


@dataclass(frozen=True)
class Int8Data:
    """What a network is quantized with and judged by.

    Attributes:
        calibration: Training images, which give the ranges of the values.
        validation: Test images, to measure the accuracy on.
        max_drop: What the mean IoU on ``validation`` may lose, in points.
    """

    calibration: Sequence[DatasetImage]
    validation: Sequence[DatasetImage]
    max_drop: float = 0.5


@dataclass(frozen=True)
class Int8Figures:
    """What quantization costs and gains.

    Attributes:
        images: Number of test images that the mean IoU is measured on.
        miou: Mean IoU in percent, of float32 and of int8.
        network_ms: Milliseconds of the network for one image, of float32 and of int8.
        agreement: Labels of int8 compared with those of the original.
    """

    images: int
    miou: tuple[float, float]
    network_ms: tuple[float, float]
    agreement: Agreement

    def __str__(self) -> str:
        return f'mIoU {self.miou[0]:.2f} -> {self.miou[1]:.2f}, {in_words(self.network_ms)}'


def quantize(
    folder: Path,
    float32: Segmenter,
    original: LabelsImages,
    images: Sequence[Path],
    data: Int8Data,
    threads: int = 0,
) -> tuple[Segmenter, Int8Figures]:
    """Replace the OpenVINO network in a folder by one of 8 bits.

    Args:
        folder: Folder of the network, which is replaced there.
        float32: The network in the folder, loaded.
        original: The segmentor that was exported.
        images: Images to compare the labels with the original's on.
        data: What to calibrate and to validate with.
        threads: Threads of the CPU; the engine chooses with 0.

    Returns:
        The 8-bit network, with its report, and what was measured.

    Raises:
        InputError: If it loses more than ``data.max_drop`` or is not faster.
    """
    reader = original.reader
    model = deploy_package('openvino').Core().read_model(folder / float32.report['model'])
    report = {**float32.report, 'model': MODEL}

    def prepare(image: DatasetImage) -> dict[str, NDArray]:
        return float32.prepare(reader.read(image.path)['img'])

    inputs = prepare(data.validation[0])

    def load(quantized: 'openvino.Model') -> Segmenter:
        save_openvino(quantized, folder / MODEL)
        return load_network(folder, report, threads)

    def time_networks(int8: Segmenter) -> tuple[float, float]:
        return latencies(lambda: float32.run(inputs), lambda: int8.run(inputs))

    # before the search for what to keep in float32, which takes minutes and makes it no faster
    times = time_networks(load(quantize_all(model, data.calibration, prepare)))
    check_speed(times, in_words(times))
    num_classes = len(report['classes'])
    int8 = load(quantize_accurately(model, data, prepare, num_classes))
    figures = Int8Figures(
        images=len(data.validation),
        miou=mean_ious(float32, int8, reader, data.validation, num_classes),
        network_ms=time_networks(int8),
        agreement=compare(images, original, ExportedSegmentor(int8, reader)),
    )
    check_accuracy(figures, data.max_drop)
    check_speed(figures.network_ms, str(figures))
    for suffix in ('.xml', '.bin'):
        (folder / float32.report['model']).with_suffix(suffix).unlink()
    return int8, figures


def in_words(times: tuple[float, float]) -> str:
    """Milliseconds before and after."""
    return f'{times[0]:.1f} -> {times[1]:.1f} ms'


def check_accuracy(figures: Int8Figures, max_drop: float) -> None:
    """Raise an ``InputError`` if int8 loses more than ``max_drop`` points of mean IoU."""
    before, after = figures.miou
    if before - after > max_drop:
        raise InputError(f'int8 loses more than {max_drop} mIoU: {figures}')


def check_speed(times: tuple[float, float], figures: str) -> None:
    """Raise an ``InputError`` with the figures if the second of two times is not the smaller."""
    if times[1] >= times[0]:
        raise InputError(f'int8 is not faster than float32: {figures} for an image')


def mean_ious(
    float32: Segmenter,
    int8: Segmenter,
    reader: ImageReader,
    images: Sequence[DatasetImage],
    num_classes: int,
) -> tuple[float, float]:
    """Mean IoU in percent of two networks on the same images."""
    segmentors = [ExportedSegmentor(runtime, reader) for runtime in (float32, int8)]
    areas = []
    for image in images:
        loaded, true = reader.read(image.path), image.labels()
        areas.append([class_areas(x.segment(loaded), true, num_classes) for x in segmentors])
    before, after = zip(*areas, strict=True)
    return mean_iou(before), mean_iou(after)


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


def quantize_accurately(
    model: 'openvino.Model', data: Int8Data, prepare: Prepare, num_classes: int
) -> 'openvino.Model':
    """A copy of a model in 8 bits, but for the operations that cost too much accuracy.

    Finding these takes minutes: each is returned to float32 by itself and measured.

    Args:
        model: Model from images to labels.
        data: What to calibrate and to validate with.
        prepare: The model's inputs of an image.
        num_classes: Number of classes.
    """
    nncf = quiet_nncf()

    def score(
        compiled: 'openvino.CompiledModel', images: Iterable[DatasetImage]
    ) -> tuple[float, list[float]]:
        areas = [
            class_areas(compiled(prepare(image))[0][0], image.labels(), num_classes)
            for image in images
        ]
        return mean_iou(areas), [mean_iou([area]) for area in areas]

    restorer = nncf.AdvancedAccuracyRestorerParameters(ranking_subset_size=RANKING_IMAGES)
    with redirect_stdout(sys.stderr):  # the progress
        return nncf.quantize_with_accuracy_control(
            model,
            nncf.Dataset(data.calibration, prepare),
            nncf.Dataset(data.validation, prepare),
            score,
            max_drop=data.max_drop,
            subset_size=len(data.calibration),
            preset=nncf.QuantizationPreset.MIXED,
            advanced_accuracy_restorer_parameters=restorer,
        )


def quantize_all(
    model: 'openvino.Model', calibration: Sequence[DatasetImage], prepare: Prepare
) -> 'openvino.Model':
    """A copy of a model with everything in 8 bits that can be; see ``quantize_accurately``."""
    nncf = quiet_nncf()
    with redirect_stdout(sys.stderr):
        return nncf.quantize(
            model,
            nncf.Dataset(calibration, prepare),
            subset_size=len(calibration),
            preset=nncf.QuantizationPreset.MIXED,
        )


def quiet_nncf() -> ModuleType:
    """NNCF, which logs errors only."""
    nncf = deploy_package('nncf')
    logging.getLogger('nncf').setLevel(logging.ERROR)
    return nncf
