import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric

from mmseg_eff.errors import InputError
from mmseg_eff.evaluation.checked_iou_metric import CheckedIoUMetric


def sample(label, pred, **meta):
    data = {'gt_sem_seg': label, 'pred_sem_seg': pred}
    return {key: dict(data=torch.as_tensor(value)[None]) for key, value in data.items()} | meta


def evaluate(metric, samples):
    metric.dataset_meta = dict(classes=('a', 'b', 'c', 'd'))
    metric.process({}, samples)
    return metric.evaluate(len(samples))


@pytest.mark.parametrize('ignore_index', [255, 3])
def test_equals_mmseg(ignore_index):
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, ignore_index], (5, 20, 30))
    samples = [sample(label, rng.integers(0, 4, (20, 30))) for label in labels]
    kwargs = dict(ignore_index=ignore_index, iou_metrics=['mIoU', 'mDice'])
    expected = evaluate(IoUMetric(**kwargs), samples)
    assert evaluate(CheckedIoUMetric(**kwargs), samples) == expected
    assert 0 < expected['mIoU'] < 100


@pytest.mark.parametrize(
    ('label', 'pred', 'message'),
    [
        ([[0, 4, 7]], [[0, 0, 0]], r'label value 4, 7 out of range; allowed are 0 to 3 and 255 \('),
        ([[-1, 0]], [[0, 0]], 'label value -1 out of range'),
        ([[0, 1]], [[0, 1, 1]], r'prediction of size \(3,\) for a label map of size \(2,\)'),
    ],
)
@pytest.mark.parametrize('key', ['seg_map_path', 'img_path'])
def test_wrong_labels_name_the_file(label, pred, message, key):
    good = sample([[0, 1]], [[0, 1]], **{key: 'good.png'})
    bad = sample(label, pred, **{key: 'bad.png'})
    with pytest.raises(InputError, match=f'^bad.png: {message}'):
        evaluate(CheckedIoUMetric(), [good, bad])


def test_mmseg_drops_such_pixels():
    """What the check is for: two of four labels are wrong, and the accuracy is perfect."""
    samples = [sample([[0, 1, 4, 4]], [[0, 1, 2, 3]])]
    metrics = evaluate(IoUMetric(), samples)
    assert metrics['aAcc'] == 100


def test_predictions_are_written_without_labels(tmp_path):
    metric = CheckedIoUMetric(format_only=True, output_dir=str(tmp_path))
    assert evaluate(metric, [sample([[9, 9]], [[0, 1]], img_path='a.jpg')]) == {}
    assert (tmp_path / 'a.png').is_file()


def test_unknown_figures_are_refused_at_the_start():
    with pytest.raises(ValueError, match=r"iou_metrics must be of \('mIoU', .*, got \['mFoo'\]"):
        CheckedIoUMetric(iou_metrics=['mFoo'])


def test_two_results_are_kept_of_many_images():
    samples = [sample([[0, 1, 2, 3]], [[0, 1, 2, index % 4]]) for index in range(50)]
    metric = CheckedIoUMetric()
    metric.dataset_meta = dict(classes=('a', 'b', 'c', 'd'))
    most = 0
    for one in samples:
        metric.process({}, [one])
        most = max(most, sum(map(len, metric.results)))
    assert most == 2 * 4  # areas of the sum and of the last image
    assert len(metric.results) == 50  # a distributed test drops repeated images by their place
    assert metric.evaluate(50) == evaluate(IoUMetric(), samples)
