import warnings

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmseg.registry import METRICS

from mmseg_eff.evaluation import trimap_iou_metric
from mmseg_eff.evaluation.protocol_iou_metric import ProtocolIoUMetric
from mmseg_eff.evaluation.trimap_iou_metric import (
    AROUND,
    TrimapIoUMetric,
    border_distance,
    distance_inside,
)

CLASSES = ('road', 'tree', 'car', 'bus')
WIDTHS = (1, 2, 3, 5)


def block_labels(rng, void):
    """Labels (20, 31) in blocks of 5 pixels, with void along half of the borders."""
    label = rng.integers(0, 4, (4, 7)).repeat(5, 0).repeat(5, 1)[:, :31]
    if void:
        label[4:6, :20] = 255
        label[:, 15] = 255
    return label


def make_samples(count=3, void=True, seed=0):
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(count):
        label = block_labels(rng, void)
        pred = np.where(rng.random(label.shape) < 0.6, label, rng.integers(0, 5, label.shape))
        pred[pred == 255] = 0
        samples.append(
            dict(
                gt_sem_seg=dict(data=torch.as_tensor(label)[None]),
                pred_sem_seg=dict(data=torch.as_tensor(pred)[None]),
            )
        )
    return samples


def evaluate(metric, samples):
    metric.dataset_meta = dict(classes=CLASSES)
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(len(samples))


def distance_by_hand(label, around):
    """Euclidean distance of every pixel from the nearest one that ends its band, pixel by pixel."""
    rows, columns = np.indices(label.shape)
    result = np.full(label.shape, np.inf)
    for row, column in np.ndindex(label.shape):
        ends = label == 255 if around == 'void' else label != label[row, column]
        if ends.any():
            squares = (rows - row) ** 2 + (columns - column) ** 2
            result[row, column] = np.sqrt(squares[ends].min())
    return result


def iou_by_hand(samples, around, width):
    """Mean IoU of the classes on the pixels of the band, with masks."""
    labels, preds = [], []
    for sample in samples:
        label = sample['gt_sem_seg']['data'][0].numpy()
        band = (distance_by_hand(label, around) <= width) & (label != 255)
        labels.append(label[band])
        preds.append(sample['pred_sem_seg']['data'][0].numpy()[band])
    label, pred = np.concatenate(labels), np.concatenate(preds)
    ious = []
    for i in range(len(CLASSES)):
        either = (label == i) | (pred == i)
        ious.append(((label == i) & (pred == i)).sum() / either.sum() if either.any() else np.nan)
    return np.nanmean(ious)


@pytest.mark.parametrize('void', [True, False])
@pytest.mark.parametrize('around', AROUND)
def test_each_width_by_hand(around, void):
    samples = make_samples(void=void)
    metric = METRICS.build(dict(type='TrimapIoUMetric', widths=WIDTHS[::-1], around=around))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # means of no pixels
        result = evaluate(metric, samples)
        expected = {f'mIoU_trimap_{n}': 100 * iou_by_hand(samples, around, n) for n in WIDTHS}
    figures = {key: result.pop(key) for key in expected}
    assert figures == pytest.approx(expected, abs=0.0051, nan_ok=True)
    assert np.isnan(list(figures.values())).all() == (around == 'void' and not void)
    assert result == evaluate(ProtocolIoUMetric(), samples)


def test_void_counts_in_no_band():
    label = torch.tensor([[[0, 255, 255, 1, 1, 1]]])
    samples = [
        dict(gt_sem_seg=dict(data=label), pred_sem_seg=dict(data=torch.tensor([[pred]])))
        for pred in ([0, 3, 1, 1, 0, 0], [0, 1, 2, 1, 0, 0])
    ]
    for around in AROUND:
        results = [evaluate(TrimapIoUMetric(widths=[1, 2], around=around), [s]) for s in samples]
        assert results[0] == results[1]
        assert results[0]['mIoU_trimap_1'] == 100
        assert results[0]['mIoU_trimap_2'] == 50  # both classes: 1 of 2


@pytest.mark.parametrize('around', AROUND)
def test_wide_bands_hold_the_whole_image(around):
    result = evaluate(TrimapIoUMetric(widths=[1, 40], around=around), make_samples())
    assert result['mIoU_trimap_40'] == result['mIoU'] != result['mIoU_trimap_1']


def test_other_readings_stay():
    options = dict(protocols=['outputs', 'with_void'], num_outputs=6)
    expected = evaluate(ProtocolIoUMetric(**options), make_samples(5))
    result = evaluate(TrimapIoUMetric(widths=[2], **options), make_samples(5))
    assert result.pop('mIoU_trimap_2') > 0
    assert result == expected and 'mIoU_with_void' in result


def test_table_in_the_log(monkeypatch):
    lines = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'log', lambda level, text: lines.append(text))
    label = torch.tensor([[[0, 255, 1, 1, 1]]])
    sample = dict(gt_sem_seg=dict(data=label), pred_sem_seg=dict(data=label.clamp(max=1)))
    evaluate(TrimapIoUMetric(widths=[1]), [sample])
    assert [cell.strip() for cell in lines[-1].split('\n')[-2].split('|')[1:-1]] == [
        '1',
        '100.00',
        '50.00 %',
    ]


def test_without_labels_files_are_written(tmp_path):
    metric = TrimapIoUMetric(output_dir=str(tmp_path), format_only=True)
    sample = dict(pred_sem_seg=dict(data=torch.zeros(1, 2, 3)), img_path='a.jpg')
    assert evaluate(metric, [sample]) == {}
    assert [file.name for file in tmp_path.iterdir()] == ['a.png']


@pytest.mark.parametrize('widths', [[-1], [0, 1], [1, 1], [1.5], [], 3], ids=str)
def test_wrong_widths(widths):
    with pytest.raises(ValueError, match='widths must be one or more different whole numbers of 1'):
        TrimapIoUMetric(widths=widths)


def test_wrong_border():
    with pytest.raises(ValueError, match=r"around must be one of \('void', 'labels'\), got 'edges"):
        TrimapIoUMetric(around='edges')


def test_the_pixels_looked_at_do_not_grow_with_the_classes(monkeypatch):
    seen = []

    def count(mask):
        seen[-1] += mask.size
        return distance_inside(mask)

    monkeypatch.setattr(trimap_iou_metric, 'distance_inside', count)
    for side in (30, 10):  # 4 and 36 classes
        rows, columns = np.indices((60, 60)) // side
        label = (60 // side) * rows + columns
        seen.append(0)
        distance = border_distance(label, 255, 'labels')
        np.testing.assert_allclose(distance, distance_by_hand(label, 'labels'), rtol=1e-6)
    assert seen[1] <= 1.5 * label.size  # a pixel around each region of 10 x 10
