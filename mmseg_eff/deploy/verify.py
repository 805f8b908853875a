"""Compare an exported network with the original on real images: labels and time."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..datasets.image_reader import LabelsImages, Loaded
from ..errors import InputError
from ..utils.image_io import Label
from ..utils.timing import in_turn, seconds_of

MIN_AGREEMENT = 0.9999  # of the labels of a float32 export with the original's
MAX_DIFFERENCE = 1e-3  # of its scores, as a share of the range of the original's in an image
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


class LabelsBatches(LabelsImages, Protocol):
    """A network that labels several images together."""

    def segment_batch(self, images: Sequence[Loaded]) -> Sequence[Label]:
        """Labels (H, W) of each of some loaded images."""


def compare(
    paths: Sequence[Path], original: LabelsImages, exported: LabelsBatches, batch: int = 1
) -> Agreement:
    """Count the equal labels of two networks on images, each loaded once by the config.

    Args:
        paths: Files of the images.
        original: The network that was exported.
        exported: The export.
        batch: Number of images that it labels together.

    Raises:
        InputError: If an image cannot be read, or the export takes no image of its size.
    """
    equal, pixels = [], []
    for start in range(0, len(paths), batch):
        images = [original.reader.read(path) for path in paths[start : start + batch]]
        for image, label in zip(images, exported.segment_batch(images), strict=True):
            is_equal = original.segment(image) == label
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


class ScoresImages(LabelsImages, Protocol):
    """A network whose scores are compared."""

    def scores(self, image: Loaded, kind: str) -> NDArray[np.float32]:
        """Probabilities or logits (K, H, W) of a loaded image; a single logit as its sigmoid."""


def compare_scores(
    paths: Sequence[Path], original: ScoresImages, exported: ScoresImages, kind: str
) -> float:
    """The largest difference between the scores of two networks on images.

    Args:
        paths: Files of the images.
        original: The network that was exported.
        exported: The export.
        kind: ``probabilities`` or ``logits``.

    Returns:
        A share of the range of the original's scores in the image, which is 1 for probabilities.
    """
    differences = []
    for path in paths:
        image = original.reader.read(path)
        expected = original.scores(image, kind)
        is_probability = kind == 'probabilities' or len(expected) == 1
        span = 1.0 if is_probability else float(np.ptp(expected))
        difference = np.abs(exported.scores(image, kind) - expected).max()
        differences.append(difference / max(span, 1e-6))
    return float(np.max(differences))  # also if it is no number


def check_scores(difference: float, backend: str) -> None:
    """Refuse a float32 export whose scores are not those of the original.

    Raises:
        InputError: If they differ by more than ``MAX_DIFFERENCE``, or are no numbers.
    """
    if not difference <= MAX_DIFFERENCE:
        raise InputError(
            f'{backend}: scores differ by {difference:.2g} of their range from those of the '
            f'original, {MAX_DIFFERENCE:g} is allowed; nothing was written'
        )


def latencies(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Median milliseconds of two calls, taken in turns after one warm-up."""
    calls = {'first': partial(seconds_of, first), 'second': partial(seconds_of, second)}
    seconds = in_turn(calls, TIMED_RUNS)
    return median_ms(seconds['first']), median_ms(seconds['second'])


def median_ms(seconds: Sequence[float]) -> float:
    """Median of times in seconds, in milliseconds."""
    return round(1000 * statistics.median(seconds), 3)
