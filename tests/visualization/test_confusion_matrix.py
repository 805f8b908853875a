import json

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from mmseg_eff.visualization.confusion_matrix import MOST_NAMES, write_confusion_matrix


@pytest.fixture
def named(monkeypatch):
    """Number of names on each axis of the pictures drawn."""
    counts = []
    for name in ('set_xticks', 'set_yticks'):
        original = getattr(Axes, name)

        def count(self, ticks, labels=None, *, original=original, **kwargs):
            counts.append(len(labels))
            assert len(ticks) == len(labels)
            return original(self, ticks, labels, **kwargs)

        monkeypatch.setattr(Axes, name, count)
    return counts


@pytest.mark.parametrize('num_classes', [3, 170])
def test_a_line_for_each_row_and_a_bounded_number_of_names(num_classes, tmp_path, named):
    matrix = torch.arange((num_classes + 1) ** 2).view(num_classes + 1, -1)
    names = [f'class {index}' for index in range(num_classes)]
    write_confusion_matrix(matrix, names, tmp_path)
    text = (tmp_path / 'confusion_matrix.json').read_text()
    assert len(text.splitlines()) < 4 * num_classes + 20
    report = json.loads(text)
    assert np.array_equal(report['pixels'], matrix[:-1].numpy())
    assert report['classes'] == names and report['predictions'][:-1] == names
    assert all(count <= MOST_NAMES + 1 for count in named) and len(named) == 2
