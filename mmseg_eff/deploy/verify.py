"""Compare an exported network with the original on real images: labels and time."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..datasets.image_reader import LabelsImages
from ..errors import InputError
from ..utils.timing import in_turn, seconds_of

MIN_AGREEMENT = 0.9999  # of the labels of a float32 export with the original's
TIMED_RUNS = 10


@dataclass(frozen=True)
class Agreement:
    """How many labels of two networks are equal.

    Attributes:
        images: Number of images compared.
        labels: Share of equal labels, over the pixels of all images.
        worst_image: Share of equal labels in the image where it is smallest.
    """

    images: int
    labels: float
    worst_image: float


@dataclass(frozen=True)
class Latency:
    """Milliseconds from a loaded image to its labels, on the CPU."""

    original: float
    export: float


def compare(paths: Sequence[Path], original: LabelsImages, exported: LabelsImages) -> Agreement:
    """Count the equal labels of two networks on images, each loaded once by the config.

    Raises:
        InputError: If an image cannot be read, or the export takes no image of its size.
    """
    equal, pixels = [], []
    for path in paths:
        image = original.reader.read(path)
        is_equal = original.segment(image) == exported.segment(image)
        equal.append(int(np.sum(is_equal)))
        pixels.append(is_equal.size)
    shares = [count / size for count, size in zip(equal, pixels, strict=True)]
    return Agreement(len(shares), sum(equal) / sum(pixels), min(shares))


def check_agreement(agreement: Agreement, backend: str) -> None:
    """Refuse a float32 export whose labels are not those of the original.

    Raises:
        InputError: If fewer than ``MIN_AGREEMENT`` of the labels are equal.
    """
    if agreement.labels < MIN_AGREEMENT:
        raise InputError(
            f'{backend}: {agreement.labels:.4%} of the labels are those of the original, '
            f'{MIN_AGREEMENT:.2%} must be; nothing was written'
        )


def latencies(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Median milliseconds of two calls, taken in turns after one warm-up."""
    calls = {'first': partial(seconds_of, first), 'second': partial(seconds_of, second)}
    seconds = in_turn(calls, TIMED_RUNS)
    return median_ms(seconds['first']), median_ms(seconds['second'])


def median_ms(seconds: Sequence[float]) -> float:
    """Median of times in seconds, in milliseconds."""
    return round(1000 * statistics.median(seconds), 3)
