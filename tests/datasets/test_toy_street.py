import hashlib

import cv2
import numpy as np

from mmseg_eff.datasets import ToyStreetDataset, make_toy_street
from mmseg_eff.datasets.toy_street import CLASSES, IGNORED, Scene


def digest(root):
    files = sorted(root.rglob('*.png'))
    assert len(files) == 2 * (3 + 2)
    return hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()


def test_equal_arguments_give_equal_files(tmp_path):
    first = make_toy_street(tmp_path / 'a', 3, 2, (64, 128))
    second = make_toy_street(tmp_path / 'b', 3, 2, (64, 128))
    other = make_toy_street(tmp_path / 'c', 3, 2, (64, 128), seed=1)
    assert digest(first) == digest(second) != digest(other)


def test_made_once_and_again_when_asked_for_another(tmp_path):
    root = make_toy_street(tmp_path / 'a', 3, 2, (64, 128))
    file = root / 'images/train/0000.png'
    before = file.stat().st_mtime_ns
    make_toy_street(root, 3, 2, (64, 128))
    assert file.stat().st_mtime_ns == before
    make_toy_street(root, 3, 2, (32, 64))
    assert cv2.imread(str(file)).shape == (32, 64, 3)


def test_every_class_occurs_and_thin_ones_are_thin():
    labels = [Scene(np.random.default_rng(i), 128, 256).label for i in range(30)]
    share = np.bincount(np.stack(labels).ravel(), minlength=256) / (30 * 128 * 256)
    assert (share[: len(CLASSES)] > 0).all()
    assert share[len(CLASSES) : IGNORED].sum() == 0
    assert 0 < share[CLASSES.index('pole')] < 0.01
    assert 0.005 < share[IGNORED] < 0.15


def test_dataset_reads_it(tmp_path):
    make_toy_street(tmp_path, 3, 2, (64, 128))
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadCheckedAnnotations', num_classes=9)]
    dataset = ToyStreetDataset('val', data_root=str(tmp_path), pipeline=pipeline)
    assert len(dataset) == 2
    assert dataset[0]['gt_seg_map'].shape == dataset[0]['img'].shape[:2] == (64, 128)
