"""What the values of all label files together show."""

import numpy as np
import pytest

from mmseg_eff.datasets import CamVidDataset
from mmseg_eff.datasets.label_rules import LabelRules, label_table
from mmseg_eff.datasets.label_values import check_values

RULES = LabelRules(3, 255, False, label_table(None, False), [(0, 0, 0)] * 3)


def values(*used):
    counts = np.zeros(256, np.int64)
    counts[list(used)] = 5
    return counts


@pytest.mark.parametrize(
    ('used', 'reduce_zero_label', 'kind'),
    [
        ((0, 1, 2), False, None),
        ((0, 1, 2, 255), False, None),
        ((1, 2), False, None),
        ((1, 2, 3), False, 'reduce_zero_label'),
        ((0, 1, 2, 3), True, None),
        ((1, 2, 3, 255), True, None),
        ((0, 1, 2), True, 'reduce_zero_label'),
        ((0, 255), False, '255 as class'),
        ((0, 255), True, 'all ignored'),
        ((255,), False, 'all ignored'),
        ((0, 1, 2, 3), False, 'reduce_zero_label'),
        ((0, 7, 255), False, None),  # out of range, which is said of the file
        ((0,), False, None),
        ((), False, None),
    ],
)
def test_what_all_files_show(used, reduce_zero_label, kind):
    table = label_table(None, reduce_zero_label)
    rules = RULES._replace(reduce_zero_label=reduce_zero_label, table=table)
    assert [kind for kind, _ in check_values(values(*used), rules)] == ([kind] if kind else [])


def test_void_after_the_last_class_is_no_shift():
    rules = LabelRules.of(CamVidDataset(lazy_init=True))
    assert not list(check_values(values(*range(1, 12)), rules))


def test_another_dataset_proves_reduce_zero_label_right():
    rules = RULES._replace(reduce_zero_label=True, table=label_table(None, True))
    assert not list(check_values(values(0, 1, 2), rules, [values(1, 3)]))
    assert list(check_values(values(0, 1, 2), rules, [values(0, 2, 255)]))


def test_several_values_are_named():
    table = label_table({11: 255}, False)
    ((_, message),) = check_values(values(0, 11, 255), RULES._replace(table=table))
    assert message.startswith('holds only 0 and 11 and 255, which are ignored: no pixel')
