"""A dataset's files are listed once, and the training gets the same list."""

import os
from collections import Counter

import cv2
import numpy as np
import pytest
from mmengine.config import Config, ConfigDict
from mmengine.fileio import LocalBackend
from mmengine.registry import DATASETS
from mmseg.datasets import BaseSegDataset
from mmseg.registry import RUNNERS

from mmseg_eff.config.load import load_config
from mmseg_eff.config.run_settings import prepare_run
from mmseg_eff.dataset_check.build import build_dataset
from mmseg_eff.dataset_check.listing import CHECKED, CheckedListing, hand_over
from mmseg_eff.dataset_check.sample import check_datasets
from mmseg_eff.errors import InputError


@pytest.fixture
def root(tmp_path):
    """Four pairs in two folders, a hidden file, a link to a folder and one to nowhere."""
    for name in ('a/1', 'a/2', 'b/1', 'b/.hidden'):
        for kind in ('images', 'labels'):
            path = tmp_path / 'd' / kind / f'{name}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((4, 8), len(name) % 2, np.uint8))
    for kind in ('images', 'labels'):
        (tmp_path / 'd' / kind / 'c').symlink_to(tmp_path / 'd' / kind / 'a')
    (tmp_path / 'd/images/nowhere.png').symlink_to('gone')
    return tmp_path / 'd'


@pytest.fixture
def scanned(monkeypatch):
    """How often each folder is listed."""
    counts, scandir = Counter(), os.scandir

    def scan(path='.'):
        counts[os.fspath(path)] += 1
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', scan)
    return counts


def config_of(root, kind='BaseSegDataset', **kwargs):
    return ConfigDict(
        type=kind,
        data_root=str(root),
        img_suffix='.png',
        metainfo=dict(classes=('x', 'y')),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        pipeline=[dict(type='LoadImageFromFile')],
        **kwargs,
    )


class Holder:
    """What ``hand_over`` needs of a runner."""

    def __init__(self, dataset):
        self._train_dataloader = ConfigDict(dataset=dataset)


def test_the_list_is_mmengine_s(root):
    options = dict(dir_path=str(root / 'images'), list_dir=False, suffix='.png', recursive=True)
    checked = CheckedListing().list_dir_or_file(**options)
    plain = LocalBackend().list_dir_or_file(**options)
    names = ['a/1.png', 'a/2.png', 'b/1.png', 'c/1.png', 'c/2.png']
    assert sorted(checked) == sorted(plain) == names


@pytest.mark.parametrize('indices', [None, [0, 3]])
@pytest.mark.parametrize('wrapped', [False, True])
def test_a_training_gets_the_list_of_the_check(root, scanned, wrapped, indices):
    config = config_of(root, indices=indices)
    expected = DATASETS.build(config)
    loader = ConfigDict(dataset=config)
    if wrapped:
        loader = ConfigDict(dataset=dict(type='ConcatDataset', datasets=[config]))
    scanned.clear()
    checked = check_datasets(ConfigDict(train_dataloader=loader), 'train_dataloader')
    runner = Holder(loader.dataset)
    hand_over(runner, 'train_dataloader', checked['train_dataloader'])
    dataset = DATASETS.build(runner._train_dataloader.dataset)
    assert set(scanned.values()) == {1} and len(scanned) == 8
    inner = dataset.datasets[0] if wrapped else dataset
    assert len(dataset) == len(expected) == (2 if indices else 5)
    for index in range(len(expected)):
        assert dataset.get_data_info(index)['img_path'] == expected.get_data_info(index)['img_path']
    assert inner.serialize_data and len(inner.pipeline.transforms) == 1
    assert 'load_data_list' not in vars(inner) and inner.backend_args is None
    again = DATASETS.build(runner._train_dataloader.dataset)  # the list is not kept
    assert len(again) == len(expected) and set(scanned.values()) == {1, 2}


class OwnDataset(BaseSegDataset):
    """A dataset of one's own, which may draw its samples at random."""

    def load_data_list(self):
        return super().load_data_list()[:2]


def test_a_dataset_of_one_s_own_lists_its_files_itself(root, monkeypatch):
    monkeypatch.setitem(DATASETS._module_dict, 'OwnDataset', OwnDataset)
    config = config_of(root, 'OwnDataset')
    dataset = build_dataset(config, 'train_dataloader')
    runner = Holder(config)
    hand_over(runner, 'train_dataloader', [dataset])
    assert len(dataset) == 2 and runner._train_dataloader.dataset.type == 'OwnDataset'


@pytest.mark.parametrize('folder', ['images', 'labels'])
@pytest.mark.parametrize('target', ['..', 'again'])
def test_links_that_loop_are_refused(root, folder, target):
    (root / folder / 'a/again').symlink_to(target)
    match = rf'{folder}/(a|c)/again.*: link that loops'
    with pytest.raises(InputError, match=match):
        build_dataset(config_of(root), 'train_dataloader')


def test_the_runner_s_config_stays(data_root, tmp_path):
    """It is written into the work dir and compared at a resumption."""
    config = load_config('mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py')
    prepare_run(config, tmp_path)
    runner = RUNNERS.build(config)
    (checked,) = check_datasets(config, 'val_dataloader').values()
    hand_over(runner, 'val_dataloader', checked)
    assert callable(runner._val_dataloader['dataset']['type'])
    assert runner.cfg.val_dataloader == config.val_dataloader
    (written,) = tmp_path.glob('*.py')
    assert Config.fromfile(written).val_dataloader.dataset.type == 'ToyStreetDataset'


def test_a_backend_of_the_config_is_used(root):
    dataset = build_dataset(config_of(root, backend_args=dict(backend='local')), 'x')
    assert dataset.backend_args == dict(backend='local') != CHECKED
    assert len(dataset) == 5
