"""Upsample logits to the size of the image, and make labels or probabilities of them.

The export puts a copy of this file beside ``runtime.py``.
"""

import math

import numpy as np
from numpy.typing import NDArray

Taps = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]


def labels_of(
    logits: NDArray[np.float32],
    size: tuple[int, int],
    align_corners: bool,
    threshold: float | None,
) -> NDArray[np.uint8]:
    """Labels (H, W) of logits (C, h, w): upsampled class by class, so that memory stays small.

    Args:
        logits: Logits of the network.
        size: H and W.
        align_corners: Convention of the bilinear interpolation, as in torch.
        threshold: Of a single logit; ``None`` takes the class of the highest.
    """
    rows, columns = both_taps(logits, size, align_corners)
    best = upsample(logits[0], rows, columns)
    if threshold is not None:
        return (best > threshold).astype(np.uint8)
    labels = np.zeros(size, np.min_scalar_type(len(logits) - 1))
    for label in range(1, len(logits)):
        plane = upsample(logits[label], rows, columns)
        labels[plane > best] = label
        np.maximum(best, plane, out=best)
    return labels


def upsampled(
    logits: NDArray[np.float32], size: tuple[int, int], align_corners: bool
) -> NDArray[np.float32]:
    """Logits (C, H, W) of logits (C, h, w); see ``labels_of``."""
    rows, columns = both_taps(logits, size, align_corners)
    return np.stack([upsample(plane, rows, columns) for plane in logits])


def probabilities_of(logits: NDArray[np.float32], is_sigmoid: bool) -> NDArray[np.float32]:
    """Probabilities (K, H, W) of logits (C, H, W).

    K is C, but a single logit has two probabilities: of label 0 and of label 1.

    Args:
        logits: Logits of the network.
        is_sigmoid: Take the sigmoid of each, in place of the softmax of all.
    """
    if not is_sigmoid:
        powers = np.exp(logits - logits.max(0))
        return powers / powers.sum(0)
    probabilities = sigmoid(logits)
    if len(logits) > 1:
        return probabilities
    return np.concatenate([1 - probabilities, probabilities])


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sigmoid, for logits of any size."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, small) / (1 + small)


def labels_of_scores(
    scores: NDArray[np.float32], threshold: float | None
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Labels (H, W) of logits or probabilities (K, H, W) at the size of the image.

    Args:
        scores: One logit or its two probabilities, if there is a threshold.
        threshold: Of a single logit; ``None`` takes the class of the highest score.
    """
    if threshold is None:
        return scores.argmax(0).astype(np.min_scalar_type(len(scores) - 1))
    if len(scores) == 2:
        threshold = 1 / (1 + math.exp(-threshold))
    return (scores[-1] > threshold).astype(np.uint8)


def upsample(plane: NDArray[np.float32], rows: Taps, columns: Taps) -> NDArray[np.float32]:
    """Bilinear interpolation of (h, w) at the ``taps`` of rows and of columns."""
    low, high, weight = rows
    plane = plane[low] * (1 - weight[:, None]) + plane[high] * weight[:, None]
    low, high, weight = columns
    return plane[:, low] * (1 - weight) + plane[:, high] * weight


def both_taps(
    logits: NDArray[np.float32], size: tuple[int, int], align_corners: bool
) -> tuple[Taps, Taps]:
    height, width = logits.shape[1:]
    return taps(height, size[0], align_corners), taps(width, size[1], align_corners)


def taps(length: int, target: int, align_corners: bool) -> Taps:
    """Both neighbours in ``length`` of each of ``target`` positions, and the second's weight."""
    index = np.arange(target)
    if align_corners:
        position = index * ((length - 1) / max(target - 1, 1))
    else:
        position = np.maximum((index + 0.5) * length / target - 0.5, 0)
    low = position.astype(np.intp)
    return low, np.minimum(low + 1, length - 1), (position - low).astype(np.float32)
