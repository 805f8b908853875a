import time

import cv2
import numpy as np
import pytest
from helpers import FunctionSegmentor

from mmseg_eff.deploy import verify
from mmseg_eff.deploy.verify import (
    Agreement,
    check_agreement,
    check_scores,
    compare,
    compare_scores,
    latencies,
)
from mmseg_eff.errors import InputError


def labels(image):
    return image[..., 0] % 3


def labels_with_faults(image):
    """As many labels are wrong as the last pixel says."""
    wrong = labels(image).copy()
    wrong.reshape(-1)[: image[-1, -1, 1]] += 1
    return wrong


@pytest.fixture
def paths(tmp_path):
    """Images of other sizes, on which none, 5 of 50 and 1 of 400 labels are wrong."""
    rng = np.random.default_rng(0)
    paths = []
    for size, faults in (((10, 10), 0), ((5, 10), 5), ((20, 20), 1)):
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        image[-1, -1, 1] = faults
        paths.append(tmp_path / f'{len(paths)}.png')
        cv2.imwrite(str(paths[-1]), image)
    return paths


def test_agreement_counts_pixels_and_finds_the_worst_image(paths):
    original, exported = FunctionSegmentor(labels), FunctionSegmentor(labels_with_faults)
    agreement = compare(paths, original, exported)
    assert agreement == Agreement(images=3, labels=544 / 550, worst_image=45 / 50)
    assert compare(paths, original, original) == Agreement(3, 1.0, 1.0)


@pytest.mark.parametrize('batch', [2, 3, 4])
def test_images_are_compared_in_batches_of_their_order(paths, batch):
    original, exported = FunctionSegmentor(labels), FunctionSegmentor(labels_with_faults)
    sizes = []

    def segment_batch(images):
        sizes.append(len(images))
        return [exported.segment(image) for image in images]

    exported.segment_batch = segment_batch
    agreement = compare(paths, original, exported, batch)
    assert agreement == Agreement(images=3, labels=544 / 550, worst_image=45 / 50)
    assert sum(sizes) == 3 and max(sizes) == min(batch, 3)


class Scores(FunctionSegmentor):
    """Scores between -10 and 10 of two classes, or one probability; one value is off by some."""

    def __init__(self, classes=2, error=0.0):
        super().__init__(labels)
        self.num_scores, self.error = classes, error

    def scores(self, image, kind):
        values = image['img'][..., 0] / 255
        values = np.stack([values] * self.num_scores).astype(np.float32)
        values = values if kind == 'probabilities' or self.num_scores == 1 else 20 * values - 10
        values[-1, 3, 3] += self.error
        return values


@pytest.mark.parametrize(
    ('kind', 'classes', 'span'), [('probabilities', 2, 1), ('logits', 2, 20), ('logits', 1, 1)]
)
def test_scores_differ_by_a_share_of_their_range(tmp_path, kind, classes, span):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    cv2.imwrite(str(tmp_path / 'a.png'), np.stack([ramp] * 3, axis=-1))
    paths, original = [tmp_path / 'a.png'], Scores(classes)
    assert compare_scores(paths, original, Scores(classes), kind) == 0
    share = compare_scores(paths, original, Scores(classes, 0.01 * span), kind)
    assert share == pytest.approx(0.01, rel=1e-3)
    assert np.isnan(compare_scores(paths, original, Scores(classes, np.nan), kind))


@pytest.mark.parametrize('difference', [0.0011, float('nan')])
def test_other_scores_are_refused(difference):
    check_scores(0.001, 'onnx')
    with pytest.raises(InputError, match=r'^onnx: scores differ by .* 0\.001 is allowed; nothing'):
        check_scores(difference, 'onnx')


@pytest.mark.parametrize(('wrong', 'is_refused'), [(0, False), (10, False), (11, True)])
def test_one_label_in_ten_thousand_may_differ(wrong, is_refused):
    agreement = Agreement(images=2, labels=1 - wrong / 100_000, worst_image=0.9)
    if not is_refused:
        check_agreement(agreement, 'onnx')
        return
    message = r'^onnx: 99\.9890% of the labels are those of the original, 99\.99% must be'
    with pytest.raises(InputError, match=message):
        check_agreement(agreement, 'onnx')


def test_latencies_are_medians_in_milliseconds_and_in_order(monkeypatch):
    monkeypatch.setattr(verify, 'TIMED_RUNS', 3)
    naps = iter([0.5, 0.02, 0.02, 0.3])  # the warm-up, and an outlier
    calls = []

    def second():
        calls.append('second')

    def first():
        calls.append('first')
        time.sleep(next(naps))

    times = latencies(first, second)
    assert 20 <= times[0] < 100
    assert times[1] < 10
    assert calls == ['first', 'second'] * 4
