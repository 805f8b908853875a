import cv2
import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations

from mmseg_eff.datasets import CamVidDataset
from mmseg_eff.datasets.label_rules import LabelRules, label_table, range_fault
from mmseg_eff.datasets.transforms import LoadCheckedAnnotations

PALETTE = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
RULES = LabelRules(3, 255, False, label_table(None, False), PALETTE)


def values(*used):
    counts = np.zeros(256, np.int64)
    counts[list(used)] = 5
    return counts


@pytest.mark.parametrize('reduce_zero_label', [False, True])
@pytest.mark.parametrize('label_map', [None, {11: 255}, {0: 1, 1: 0, 254: 3}])
def test_label_table_is_what_mmseg_loads(tmp_path, reduce_zero_label, label_map):
    path = tmp_path / 'all.png'
    cv2.imwrite(str(path), np.arange(256, dtype=np.uint8).reshape(16, 16))
    results = dict(
        seg_map_path=str(path),
        label_map=label_map,
        reduce_zero_label=reduce_zero_label,
        seg_fields=[],
    )
    expected = LoadAnnotations()(results)['gt_seg_map'].ravel()
    np.testing.assert_array_equal(label_table(label_map, reduce_zero_label), expected)


@pytest.mark.parametrize('reduce_zero_label', [False, True])
@pytest.mark.parametrize('label_map', [None, {11: 255}, {0: 1, 1: 0, 254: 3}])
@pytest.mark.parametrize('ignore_index', [0, 11, 254])
def test_label_table_is_what_is_loaded(tmp_path, reduce_zero_label, label_map, ignore_index):
    """Also where another label than 255 is ignored: what mmseg drops becomes that one."""
    path = tmp_path / 'all.png'
    cv2.imwrite(str(path), np.arange(256, dtype=np.uint8).reshape(16, 16))
    results = dict(
        seg_map_path=str(path),
        label_map=label_map,
        reduce_zero_label=reduce_zero_label,
        ignore_index=ignore_index,
        seg_fields=[],
    )
    by_mmseg = LoadAnnotations()(dict(results, seg_fields=[]))['gt_seg_map'].ravel()
    is_dropped = (by_mmseg == 255) & (reduce_zero_label | (np.arange(256) != 255))
    expected = np.where(is_dropped, ignore_index, by_mmseg)
    loaded = LoadCheckedAnnotations(256)(results)['gt_seg_map'].ravel()
    np.testing.assert_array_equal(loaded, expected)
    table = label_table(label_map, reduce_zero_label, ignore_index)
    np.testing.assert_array_equal(table, expected)


def test_rules_of_a_dataset():
    rules = LabelRules.of(CamVidDataset(lazy_init=True))
    assert (rules.num_classes, rules.ignore_index, rules.table[11]) == (11, 255, 255)
    assert rules.palette[3] == (128, 64, 128)
    assert rules.count_labels(values(0, 11, 255))[[0, 11, 255]].tolist() == [5, 0, 10]


def test_ignored_label_that_is_the_index_of_a_class():
    rules = RULES._replace(ignore_index=1)
    assert rules.count_classes(values(0, 1, 2)).tolist() == [5, 0, 5]
    fault = range_fault(values(7), 3, 1)
    assert fault == 'label value 7 out of range; allowed are 0 to 2 and of these 1 is ignored'


@pytest.mark.parametrize(
    ('used', 'ignore_index', 'bad'),
    [
        ((0, 2, 255), 255, None),
        ((0, 3, 7), 255, '3, 7'),
        ((0, 254), 254, None),
        ((0, 255), 254, '255'),
        (range(3, 30), 255, '3, 4, 5, 6, 7, 8, 9, 10 out'),  # the first ones
    ],
)
def test_range(used, ignore_index, bad):
    fault = range_fault(values(*used), 3, ignore_index)
    assert (fault is None) == (bad is None)
    if bad:
        assert fault.startswith(f'label value {bad}')
        assert fault.endswith(f'allowed are 0 to 2 and {ignore_index} (ignored)')
