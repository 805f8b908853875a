from itertools import chain, zip_longest

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from PIL import Image

from mmseg_eff.errors import InputError
from mmseg_eff.evaluation.protocol_iou_metric import PROTOCOLS, ProtocolIoUMetric, total

CLASSES = ('road', 'tree', 'car', 'bus')
FURTHER = [name for name in PROTOCOLS if name != 'standard']


def sample(label, pred, **info):
    return dict(
        gt_sem_seg=dict(data=torch.as_tensor(label)[None]),
        pred_sem_seg=dict(data=torch.as_tensor(pred)[None]),
        **info,
    )


def random_samples(count=5, outputs=6, labels=(0, 1, 2, 3, 255), seed=0):
    """Samples of labels with void, predictions half of them right, with outputs beyond CLASSES."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(count):
        label = rng.choice(labels, (9, 13))
        wild = rng.integers(0, outputs, label.shape)
        keep = (rng.random(label.shape) < 0.5) & (label != 255)
        result.append(sample(label, np.where(keep, label, wild)))
    return result


def process(metric, samples):
    metric.dataset_meta = dict(classes=CLASSES)
    for start in range(0, len(samples), 2):
        metric.process({}, samples[start : start + 2])
    return metric


def evaluate(metric, samples):
    return process(metric, samples).evaluate(len(samples))


def by_hand(samples, reading, outputs):
    """A reading written with masks, class by class."""
    label = np.concatenate([s['gt_sem_seg']['data'].numpy().ravel() for s in samples])
    pred = np.concatenate([s['pred_sem_seg']['data'].numpy().ravel() for s in samples])
    if reading == 'with_void':
        label, pred = np.where(label == 255, 4, label), np.minimum(pred, 4)
    elif reading != 'void_counted':
        label, pred = label[label != 255], pred[label != 255]
    classes = {'with_void': 5, 'outputs': outputs}.get(reading, 4)
    ious = []
    for i in range(classes):
        both, either = (label == i) & (pred == i), (label == i) | (pred == i)
        ious.append(both.sum() / either.sum() if either.any() else np.nan)
    return np.mean(np.nan_to_num(ious)) if reading == 'outputs' else np.nanmean(ious)


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize(
    'options',
    [{}, dict(iou_metrics=['mDice', 'mFscore'], beta=2), dict(ignore_index=1), dict(nan_to_num=0)],
    ids=str,
)
def test_standard_equals_mmseg(options, seed):
    labels = (0, 1, 2, 1) if 'ignore_index' in options else (0, 2, 3, 255)
    samples = random_samples(labels=labels, seed=seed)
    expected = evaluate(IoUMetric(**options), samples)
    metric = METRICS.build(dict(type='ProtocolIoUMetric', **options))
    assert evaluate(metric, samples) == expected
    assert len(expected) > 2


@pytest.mark.parametrize('reading', FURTHER)
@pytest.mark.parametrize('labels', [(0, 1, 2, 3, 255), (0, 1, 3, 255), (0, 1, 2, 3)], ids=str)
@pytest.mark.parametrize('outputs', [4, 5, 7])
def test_readings_by_hand(reading, labels, outputs):
    samples = random_samples(outputs=outputs, labels=labels)
    result = evaluate(ProtocolIoUMetric(protocols=[reading], num_outputs=outputs), samples)
    assert result.keys() == {'aAcc', 'mIoU', 'mAcc', f'mIoU_{reading}'}
    expected = 100 * by_hand(samples, reading, outputs)
    assert result[f'mIoU_{reading}'] == pytest.approx(expected, abs=0.0051)
    assert result['mIoU'] == pytest.approx(100 * by_hand(samples, 'standard', outputs), abs=0.0051)


@pytest.mark.parametrize('absent', [(), (3,)])
def test_outputs_never_predicted_count_as_zero(absent):
    metric = ProtocolIoUMetric(protocols=['outputs'], num_outputs=20)
    labels = [value for value in (0, 1, 2, 3, 255) if value not in absent]
    samples = random_samples(outputs=4 - len(absent), labels=labels)
    result = evaluate(metric, samples)
    share = (4 - len(absent)) / 20
    assert result['mIoU_outputs'] == pytest.approx(share * result['mIoU'], abs=0.006)


def test_table_in_the_log(monkeypatch):
    lines = []
    monkeypatch.setattr(
        MMLogger.get_current_instance(), 'log', lambda level, text: lines.append(text)
    )
    samples = [sample([[0, 1, 2, 255]], [[0, 1, 1, 4]])]
    result = evaluate(ProtocolIoUMetric(protocols=['standard', *FURTHER], num_outputs=8), samples)
    rows = [[cell.strip() for cell in row.split('|')[1:-1]] for row in lines[-1].split('\n')]
    assert [row for row in rows if len(row) == 3] == [
        ['Reading', 'mIoU', 'Classes averaged'],
        ['standard', '50.00', '3'],  # class 3 is absent: 1, 1/2, 0
        ['void_counted', '50.00', '3'],
        ['outputs', '18.75', '8'],
        ['with_void', '62.50', '4'],
    ]
    assert result['mIoU'] == 50 and result['mIoU_with_void'] == 62.5


def test_counts_are_exact_and_results_stay_small():
    metric = process(ProtocolIoUMetric(), random_samples(count=9))
    assert [len(entry) for entry in metric.results] == [1] + 7 * [0] + [1]
    (first,), (last,) = metric.results[0], metric.results[-1]
    assert first.dtype == torch.int64
    first[0, 0] = 2**40 + 1  # float32 would round it
    assert total(metric.results, *first.shape)[0, 0] == 2**40 + 1 + last[0, 0] > 2**40 + 1


@pytest.mark.parametrize(('count', 'size'), [(8, 8), (8, 7), (2, 1), (4, 3)])
def test_two_processes(count, size, monkeypatch):
    samples = random_samples(size)
    padded = [*samples, *samples][:count]  # as a sampler repeats the first ones
    options = dict(protocols=list(PROTOCOLS), num_outputs=6)
    metrics = [process(ProtocolIoUMetric(**options), padded[rank::2]) for rank in (0, 1)]
    expected = evaluate(ProtocolIoUMetric(**options), samples)

    def collect(results, size, *args, **kwargs):  # as mmengine.dist.collect_results
        merged = chain.from_iterable(zip_longest(*(metric.results for metric in metrics)))
        return [entry for entry in merged if entry is not None][:size]

    monkeypatch.setattr('mmengine.evaluator.metric.collect_results', collect)
    assert metrics[0].evaluate(size) == expected


@pytest.mark.parametrize('format_only', [False, True])
def test_predictions_are_written(format_only, tmp_path):
    metric = ProtocolIoUMetric(
        output_dir=str(tmp_path), keep_results=True, format_only=format_only, protocols='with_void'
    )
    samples = [
        sample([[0, 255], [1, 2]], [[0, 5], [1, 2]], img_path=f'/data/{name}.jpg') for name in 'ab'
    ]
    if format_only:
        for each in samples:
            del each['gt_sem_seg']
    assert ('mIoU_with_void' in evaluate(metric, samples)) != format_only
    assert sorted(file.name for file in tmp_path.iterdir()) == ['a.png', 'b.png']
    assert np.asarray(Image.open(tmp_path / 'b.png')).tolist() == [[0, 5], [1, 2]]


@pytest.mark.parametrize(
    ('info', 'place'),
    [
        (dict(seg_map_path='/data/a.png', img_path='/data/a.jpg'), '/data/a.png: '),
        (dict(seg_map_path=None, img_path='/data/a.jpg'), '/data/a.jpg: '),
        ({}, ''),
    ],
)
@pytest.mark.parametrize(
    ('label', 'pred', 'message'),
    [
        ([[0, 255, 4, 7]], [[0, 0, 0, 0]], r'label value 4, 7 out of range; allowed are 0 to 3 and '
         r'255 \(ignored\)'),
        ([[-1, 0]], [[0, 0]], 'label value -1 out of range'),
        ([[0, 0]], [[0, 6]], 'output 6 predicted; num_outputs=6 allows 0 to 5'),
        ([[0, 0], [0, 0]], [[0, 0, 0], [0, 0, 0]],
         r'prediction of size \(2, 3\) for a label map of size \(2, 2\)'),
    ],
)  # fmt: skip
def test_bad_samples(label, pred, message, info, place):
    with pytest.raises(InputError, match=f'^{place}{message}'):
        process(ProtocolIoUMetric(num_outputs=6), [sample(label, pred, **info)])


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"of \['outputs', .*'with_void'\], got \['voided'\]"):
        ProtocolIoUMetric(protocols=['standard', 'voided'])
    with pytest.raises(ValueError, match="'outputs' needs num_outputs"):
        ProtocolIoUMetric(protocols=['outputs'])
    with pytest.raises(ValueError, match=r'num_outputs must be 4 .* or more, got 3'):
        ProtocolIoUMetric(num_outputs=3).dataset_meta = dict(classes=CLASSES)
