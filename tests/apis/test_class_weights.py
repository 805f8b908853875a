import json

import numpy as np

from mmseg_eff.apis.class_weights import main
from mmseg_eff.datasets.class_weights import count_pixels, inverse_log_weights
from mmseg_eff.models import WeightedCrossEntropy

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'


def labels(data_root):
    import cv2

    files = sorted((data_root / 'toystreet/labels/train').iterdir())
    return [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]


def test_printed_and_written(data_root, tmp_path, capsys):
    out = tmp_path / 'weights.json'
    assert main([LEAF, '--out', str(out)]) == 0
    written = json.loads(out.read_text())
    counts, present = count_pixels(labels(data_root), 9)
    np.testing.assert_allclose(written, inverse_log_weights(counts, present), atol=1e-4)
    assert f'class_weight={written}' in capsys.readouterr().out
    assert WeightedCrossEntropy(str(out)).class_weight == written


def test_ignored_pixels_as_a_class(data_root, capsys):
    assert main([LEAF, '--count-ignored', '--method', 'median-frequency']) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert len(json.loads(line.removeprefix('class_weight='))) == 10


def test_only_ignored_pixels(data_root, capsys):
    classes = "train_dataloader.dataset.metainfo.classes=('road',)"
    missing = data_root / 'nowhere'
    options = ['--cfg-options', classes, f'train_dataloader.dataset.data_root={missing}']
    assert main([LEAF, *options]) == 1
    assert f'error: {missing}/images/train: no such folder or file' in capsys.readouterr().err
