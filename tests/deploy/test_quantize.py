import numpy as np
import pytest

from mmseg_eff.deploy import class_areas, mean_iou


def test_mean_iou_of_several_images():
    rng = np.random.default_rng(0)
    predicted, true = rng.integers(0, 4, (2, 3, 20, 30)).astype(np.uint8)
    true[:, :5] = 255
    true[true == 3] = 2  # class 3 occurs in the predictions alone
    areas = [class_areas(*pair, 5) for pair in zip(predicted, true, strict=True)]
    known = true != 255
    ious = []
    for label in range(4):  # class 4 does not occur
        a, b = (predicted == label) & known, true == label
        ious.append((a & b).sum() / (a | b).sum())
    assert mean_iou(areas) == pytest.approx(100 * np.mean(ious))


def test_mean_iou_of_nothing_known():
    void = np.full((4, 4), 255, np.uint8)
    assert mean_iou([class_areas(np.zeros((4, 4), np.uint8), void, 3)]) == 0
