import cv2
import numpy as np
import pytest
from exported import NUM_CLASSES, REPORT
from helpers import FunctionSegmentor

from mmseg_eff.deploy.dataset_images import DatasetImage
from mmseg_eff.deploy.runtime import Segmenter
from mmseg_eff.deploy.validation import Prepared, class_areas, mean_iou, validation_of
from mmseg_eff.errors import InputError

READER = FunctionSegmentor(None).reader


def true_labels(pixels):
    return pixels[..., 0] % NUM_CLASSES


def right(inputs):
    return true_labels(inputs['image'])


@pytest.fixture
def images(tmp_path):
    """Four images, whose labels depend on their pixels."""
    rng = np.random.default_rng(0)
    images = []
    for index in range(4):
        path = tmp_path / f'{index}.png'
        cv2.imwrite(str(path), rng.integers(0, 256, (20, 30, 3), np.uint8))

        def load(info):
            return dict(gt_seg_map=true_labels(cv2.imread(info['img_path'])))

        images.append(DatasetImage(dict(img_path=str(path), ignore_index=255), load))
    return images


def test_the_score_is_that_of_the_images_asked_for(images):
    """All labels of the last image are wrong."""
    last = true_labels(cv2.imread(str(images[-1].path)))

    def fail_on_the_last(inputs):
        labels = right(inputs)
        return (labels + 1) % NUM_CLASSES if np.array_equal(labels[0], last) else labels

    validation = validation_of(Segmenter(REPORT, right), READER, images, 0.5)
    assert validation.max_drop == 0.5
    assert validation.score(right, range(4)) == (100, [100] * 4)
    total, each = validation.score(fail_on_the_last, [1, 3])
    assert each == [100, 0]
    assert 30 < total < 36  # 1/2 right of 3/2


def test_images_of_another_size_are_named(images):
    network = Segmenter(dict(REPORT, size=[20, 31]), right)
    prepared = Prepared(network, READER, images)
    with pytest.raises(InputError, match=r'0\.png: the network was exported for 20x31, got 20x30'):
        prepared[0]


def test_images_are_read_when_they_are_taken(images):
    network = Segmenter(REPORT, right)
    prepared = Prepared(network, READER, images)
    images[3].path.unlink()
    assert len(prepared) == 4
    assert np.array_equal(prepared[1]['image'][0], cv2.imread(str(images[1].path)))
    with pytest.raises(InputError, match=r'3\.png'):
        list(prepared)
    assert len(list(prepared[:2])) == 2


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
