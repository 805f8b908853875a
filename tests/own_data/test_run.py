import hashlib

import cv2
import numpy as np
import pytest
from dataset_folders import COUNTS, MAKERS, make_flat, make_flat_lists, make_split_folders, save

from mmseg_eff.config.load import load_config
from mmseg_eff.dataset_check.settle_labels import settle_labels
from mmseg_eff.errors import InputError
from mmseg_eff.own_data import run
from mmseg_eff.own_data.run import make_config


@pytest.fixture(autouse=True)
def without_weights(monkeypatch):
    monkeypatch.setattr(run, 'find_weights', lambda network: (None, ['no network']))


def digest(folder):
    """Names and contents of all files."""
    return {
        str(path): hashlib.blake2b(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


@pytest.mark.parametrize('name', MAKERS)
def test_each_layout(name, tmp_path):
    data = tmp_path / 'data'
    expected = MAKERS[name](data)
    before = digest(data)
    new = make_config(data, tmp_path / 'c.py', 'fast', workers=1)
    assert digest(data) == before
    assert new.layout == expected.layout and new.classes == expected.classes
    assert new.images == expected.images and new.size == (64, 96)
    assert sum(new.pairs.values()) == sum(COUNTS.values())
    assert new.report.errors == [] and 'no network' in new.notes
    assert ('converted' in new.labels) == expected.is_converted == (new.folder / 'labels').is_dir()
    text = new.path.read_text()
    assert len(text.splitlines()) <= 25 and 'load_from' not in text
    config = load_config(new.path)
    assert len(config.head.loss_decode.class_weight) == len(expected.classes)
    assert settle_labels(config, 'train_dataloader', 'val_dataloader') == []
    assert config.train_cfg.max_iters == config.param_scheduler[1].end == new.plan.max_iters


def test_equal_seeds_give_equal_splits(tmp_path):
    make_flat(tmp_path / 'data')
    lists = []
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        make_config(tmp_path / 'data', tmp_path / f'{name}.py', 'fast', seed, workers=1)
        lists.append((tmp_path / f'{name}_files/val.txt').read_text())
    assert lists[0] == lists[1] != lists[2]


def test_converted_labels_mean_what_they_did(tmp_path):
    make_flat_lists(tmp_path / 'data')
    new = make_config(tmp_path / 'data', tmp_path / 'c.py', 'fast', workers=1)
    mask = cv2.imread(str(tmp_path / 'data/masks/val_00.png'), -1)
    label = cv2.imread(str(new.folder / 'labels/val_00.png'), -1)
    assert np.array_equal(label, mask // 255) and label.any()


def test_faults_of_the_dataset_are_reported(tmp_path):
    make_split_folders(tmp_path / 'data')
    save(tmp_path / 'data/labels/train/train_00.png', np.zeros((10, 10), np.uint8))
    new = make_config(tmp_path / 'data', tmp_path / 'c.py', 'fast', workers=1)
    (finding,) = new.report.errors
    assert finding.kind == 'other size' and new.path.is_file()


@pytest.mark.parametrize(
    ('data', 'out', 'network', 'message'),
    [
        ('nothing', 'c.py', 'fast', 'nothing: no such folder'),
        ('data', 'c.txt', 'fast', r'c.txt: the name of a config ends in \.py'),
        ('data', 'there.py', 'fast', 'there.py: exists already'),
        ('data', 'data/c.py', 'fast', 'c.py: is in .*data, which stays as it is'),
        ('data', 'c.py', 'unet', 'network must be one of'),
        ('data', 'c.py', 'fast', 'no images with labels'),
    ],
)
def test_wrong_input(tmp_path, data, out, network, message):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'there.py').touch()
    with pytest.raises(InputError, match=message):
        make_config(tmp_path / data, tmp_path / out, network)
    assert not (tmp_path / 'c.py').exists() and not (tmp_path / 'c_files').exists()
