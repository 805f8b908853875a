"""Accept a network of lower precision only if it keeps its accuracy and is faster.

How such a network is made is the backend's own affair, in its functions ``reduce`` and, optionally,
``reduce_accurately``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mmengine.config import Config

from ..datasets.image_reader import LabelsImages
from ..errors import InputError
from .backends import EARLIER, Backend, Reducing, find_backend
from .dataset_images import DatasetImage, select_images
from .graph import SegmentationGraph
from .package import file_facts
from .runtime import Segmenter, load_network
from .segmentor import ExportedSegmentor
from .validation import Prepared, validation_of
from .verify import Agreement, compare, latencies

MAX_DROP = {'bf16': 0.1, 'f16': 0.1, 'int8': 0.5}  # points of mean IoU that may be lost
MOST_TIME = 0.97  # of float32's; a smaller gain is no more than two measurements differ


@dataclass(frozen=True)
class Reduction:
    """A lower precision, and what a network in it is made with and judged by.

    Attributes:
        precision: Key of ``MAX_DROP``.
        calibration: Training images, which give the ranges of the values; for int8.
        validation: Test images, to measure the accuracy on.
        max_drop: What the mean IoU on ``validation`` may lose, in points.
    """

    precision: str
    calibration: Sequence[DatasetImage]
    validation: Sequence[DatasetImage]
    max_drop: float


@dataclass(frozen=True)
class PrecisionFigures:
    """What a lower precision costs and gains.

    Attributes:
        images: Number of test images that the mean IoU is measured on.
        miou: Mean IoU in percent, of float32 and of the lower precision.
        network_ms: Milliseconds of the network for one image, of both.
        agreement: Labels of the lower precision compared with those of the original.
    """

    images: int
    miou: tuple[float, float]
    network_ms: tuple[float, float]
    agreement: Agreement

    def __str__(self) -> str:
        miou, times = self.miou, self.network_ms
        return f'mIoU {miou[0]:.2f} -> {miou[1]:.2f}, {times[0]:.1f} -> {times[1]:.1f} ms'

    def is_accurate(self, max_drop: float) -> bool:
        """Whether the mean IoU loses at most ``max_drop`` points."""
        return self.miou[0] - self.miou[1] <= max_drop

    @property
    def is_faster(self) -> bool:
        """Whether the time is at most ``MOST_TIME`` of that of float32."""
        return self.network_ms[1] <= MOST_TIME * self.network_ms[0]

    def check(self, precision: str, max_drop: float) -> None:
        """Refuse what is not accurate enough or not faster.

        Raises:
            InputError: It names both figures.
        """
        if not self.is_accurate(max_drop):
            raise InputError(
                f'{precision} loses more than {max_drop} mIoU: {self}; nothing was written'
            )
        if not self.is_faster:
            raise InputError(f'{precision} is not faster than f32: {self}; nothing was written')


def check_precision(backend: str, precision: str) -> tuple[str, str]:
    """The names of a backend and of a precision that it has.

    Args:
        backend: Name of a backend, or an earlier one that means a precision, too.
        precision: ``f32`` or key of ``MAX_DROP``.

    Raises:
        InputError: If there is no such backend, or it has no such precision.
    """
    name, meant = EARLIER.get(backend, (backend, precision))
    if precision not in ('f32', meant):
        raise InputError(f'backend {backend} means precision {meant}, got {precision}')
    allowed = find_backend(name).PRECISIONS
    if meant not in allowed:
        raise InputError(
            f'backend {name} has no precision {meant!r}; precision must be one of '
            f'{", ".join(allowed)}'
        )
    return name, meant


def reduction_of(
    config: Config, precision: str, calibration: int, validation: int, max_drop: float | None
) -> Reduction | None:
    """A precision with images of a config; ``None`` for float32.

    Args:
        config: Config with labelled test data, and training data for int8.
        precision: As of ``check_precision``.
        calibration: Number of training images for int8.
        validation: Number of test images.
        max_drop: Points of mean IoU that may be lost; ``MAX_DROP`` by default.

    Raises:
        InputError: If the config has no such data.
    """
    if precision == 'f32':
        return None
    is_calibrated = precision == 'int8'
    return Reduction(
        precision,
        select_images(config, 'train_dataloader', calibration) if is_calibrated else [],
        select_images(config, 'test_dataloader', validation),
        MAX_DROP[precision] if max_drop is None else max_drop,
    )


def reduce_precision(
    folder: Path,
    graph: SegmentationGraph,
    float32: Segmenter,
    original: LabelsImages,
    images: Sequence[Path],
    wanted: Reduction,
    threads: int = 0,
) -> tuple[Segmenter, PrecisionFigures]:
    """Replace the network in a folder by one of lower precision.

    Args:
        folder: Folder of the network.
        graph: What the network was made of.
        float32: The network, loaded.
        original: The segmentor that was exported.
        images: Images to compare the labels with the original's on.
        wanted: The precision, and what to calibrate and to validate with.
        threads: Threads of the CPU; the engine chooses with 0.

    Returns:
        The network in lower precision, with its report, and what was measured.

    Raises:
        InputError: If it cannot be made, loses more than ``wanted.max_drop`` or is not faster.
    """
    backend = cast(Reducing, find_backend(float32.report['backend']))
    reader = original.reader
    validation = validation_of(float32, reader, wanted.validation, wanted.max_drop)
    inputs, together = validation.inputs[0], float32.report.get('batch', 1) or 1
    before = validation.score(float32.run, range(len(wanted.validation)))[0]

    def measure(changed: dict) -> tuple[Segmenter, PrecisionFigures]:
        network = load_reduced(folder, float32, wanted.precision, changed, threads)
        before_ms, after_ms = latencies(lambda: float32.run(inputs), lambda: network.run(inputs))
        return network, PrecisionFigures(
            images=len(wanted.validation),
            miou=(before, validation.score(network.run, range(len(wanted.validation)))[0]),
            network_ms=(before_ms / together, after_ms / together),
            agreement=compare(images, original, ExportedSegmentor(network, reader)),
        )

    calibration = Prepared(float32, reader, wanted.calibration)
    making = graph, folder, float32.report, wanted.precision, calibration
    network, figures = measure(backend.reduce(*making))
    again = getattr(backend, 'reduce_accurately', None)
    if again and figures.is_faster and not figures.is_accurate(wanted.max_drop):
        del network  # its file is written again
        network, figures = measure(again(*making, validation))
    figures.check(wanted.precision, wanted.max_drop)
    remove_float32(folder, backend, network.report['model'])
    return network, figures


def load_reduced(
    folder: Path, float32: Segmenter, precision: str, changed: dict, threads: int = 0
) -> Segmenter:
    """Load the network that a backend has added to the folder of its float32 network.

    Args:
        folder: The folder.
        float32: The float32 network.
        precision: The lower precision.
        changed: What ``Reducing`` has returned.
        threads: Threads of the CPU; the engine chooses with 0.
    """
    made = dict(precision=precision, files=file_facts(folder))
    return load_network(folder, {**float32.report, **changed, **made}, threads)


def remove_float32(folder: Path, backend: Backend, model: str) -> None:
    """Remove the files of the float32 network unless ``model`` is one of them."""
    if model not in backend.FILES:
        for name in backend.FILES:
            (folder / name).unlink()
