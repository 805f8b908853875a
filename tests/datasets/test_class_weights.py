import numpy as np
import pytest

from mmseg_eff.datasets.class_weights import (
    count_pixels,
    inverse_log_weights,
    median_frequency_weights,
)

# Pixels of the 12 CamVid labels in the 367 training images, and the weights 1 / ln(1.10 + p).
CAMVID = np.array(
    [10682767, 14750079, 623349, 20076880, 2845085, 6166762]
    + [743859, 714595, 3719877, 405385, 184967, 2503995]
)
CAMVID_WEIGHTS = [
    4.205,
    3.483,
    9.596,
    2.872,
    7.392,
    5.555,
    9.441,
    9.479,
    6.791,
    9.891,
    10.208,
    7.658,
]


def test_counting():
    labels = [np.array([[0, 0], [1, 255]], np.uint8), np.array([[2, 2], [2, 0]], np.uint8)]
    counts, present = count_pixels(labels, 4)
    assert counts.tolist() == [3, 1, 3, 0]
    assert present.tolist() == [7, 3, 4, 0]  # labelled pixels of the images that hold the class


def test_inverse_log_on_camvid():
    weights = inverse_log_weights(CAMVID, CAMVID)
    np.testing.assert_allclose(weights, CAMVID_WEIGHTS, atol=6e-4)


def test_inverse_log_of_enet():
    weights = inverse_log_weights(np.array([1, 3]), np.array([4, 4]), log_offset=1.02)
    np.testing.assert_allclose(weights, [1 / np.log(1.27), 1 / np.log(1.77)])


def test_offset_must_exceed_one():
    with pytest.raises(ValueError, match=r'log_offset must be above 1, got 1\.0'):
        inverse_log_weights(np.array([1]), np.array([1]), log_offset=1.0)


def test_median_frequency_skips_absent_classes():
    weights = median_frequency_weights(np.array([50, 10, 0, 20]), np.array([100, 100, 0, 50]))
    np.testing.assert_allclose(weights, [0.4 / 0.5, 0.4 / 0.1, 0, 1])  # f = .5, .1, -, .4
