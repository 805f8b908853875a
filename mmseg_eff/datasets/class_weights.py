"""Class weights from pixel counts."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError


def count_pixels(
    labels: Iterable[NDArray[np.integer]], num_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the pixels of label maps; labels from ``num_classes`` on do not count.

    Args:
        labels: Label maps (H, W).
        num_classes: Number of classes.

    Returns:
        Pixels of each class, and pixels of all images in which the class occurs.
    """
    counts = np.zeros(num_classes, np.int64)
    present = np.zeros(num_classes, np.int64)
    for label in labels:
        in_image = np.bincount(label.ravel(), minlength=256)[:num_classes]
        counts += in_image
        present[in_image > 0] += in_image.sum()
    return counts, present


def inverse_log_weights(
    counts: NDArray[np.int64], present: NDArray[np.int64], log_offset: float = 1.10
) -> NDArray[np.float64]:
    """``1 / ln(c + p)`` with the share ``p`` of each class (ENet: c = 1.02, ESPNet: c = 1.10).

    Args:
        counts: Pixels of each class.
        present: Not used by this formula; all formulas take the same arguments.
        log_offset: The constant ``c``, above 1.
    """
    del present
    if log_offset <= 1:
        raise InputError(f'log_offset must be above 1, got {log_offset}')
    return 1 / np.log(log_offset + counts / counts.sum())


def median_frequency_weights(
    counts: NDArray[np.int64], present: NDArray[np.int64], log_offset: float = 1.10
) -> NDArray[np.float64]:
    """``median(f) / f``, ``f`` the share of a class in the images that hold it (Eigen and Fergus).

    A class that never occurs has weight 0 and stays out of the median.

    Args:
        counts: Pixels of each class.
        present: Pixels of all images in which the class occurs.
        log_offset: Not used by this formula; all formulas take the same arguments.
    """
    del log_offset
    occurs = counts > 0
    share = counts[occurs] / present[occurs]
    weights = np.zeros(len(counts))
    weights[occurs] = np.median(share) / share
    return weights


METHODS: dict[str, Callable[..., NDArray[np.float64]]] = {
    'inverse-log': inverse_log_weights,
    'median-frequency': median_frequency_weights,
}
