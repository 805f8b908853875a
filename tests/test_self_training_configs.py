"""The configs of self-training: what differs from the teacher's, and that the tools take them."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from config_files import CONFIGS, read

from mmseg_eff.commands import check_dataset, class_weights, train
from mmseg_eff.dataset_check.build import build_datasets
from mmseg_eff.datasets import make_toy_street

STUDENTS = sorted(CONFIGS.glob('*/*selftrain_*.py'))
ON_A_QUARTER = [path for path in STUDENTS if 'quarter' in path.stem]
TOY = CONFIGS / 'espnet/espnet-p2q3_selftrain_1xb8-0.3k_toystreet-quarter-128x256.py'
(CAMVID,) = CONFIGS.glob('espnetv2/espnetv2-s0.5_*selftrain_*_camvid-quarter-360x480.py')
(ON_A_DRIVE,) = CONFIGS.glob('*/*selftrain_*_camvid-drive-*.py')
LABELLED, OTHERS = 'train_dataloader.dataset.datasets.0', 'train_dataloader.dataset.datasets.1'


def test_there_are_students():
    assert (len(STUDENTS), len(ON_A_QUARTER)) == (17, 4)


@pytest.mark.parametrize('path', STUDENTS, ids=lambda path: path.stem)
def test_half_of_each_batch_has_pseudo_labels(path):
    config = read(path)
    loader = config.train_dataloader
    sampler = dict(type='MultiSourceSampler', batch_size=loader.batch_size, source_ratio=[1, 1])
    assert loader.sampler == sampler
    labelled, others = loader.dataset.datasets
    assert labelled.pipeline == others.pipeline
    assert others.data_prefix.seg_map_path == config.pseudo_labels
    assert config.crop_size in [step.get('crop_size') for step in others.pipeline]


@pytest.mark.parametrize('path', ON_A_QUARTER, ids=lambda path: path.stem)
def test_teacher_differs_in_the_data_alone(path):
    student = read(path)
    teacher = path.name.replace('-selftrain', '').replace('_selftrain', '')
    teacher = read(path.with_name(teacher))
    changed = {key for key in student if student[key] != teacher.get(key)}
    assert changed == {'train_dataloader', 'labelled'}
    labelled, others = student.train_dataloader.dataset.datasets
    assert labelled == teacher.train_dataloader.dataset
    number = {'CamVidDataset': 367, 'ToyStreetDataset': 240}[labelled.type]
    assert sorted(labelled.indices + others.indices) == list(range(number))
    assert len(labelled.indices) == -(-number // 4)


def test_one_drive_has_labels(shared):
    """0006R0; the images to validate on are of another one."""
    student = read(ON_A_DRIVE)
    (teacher,) = ON_A_DRIVE.parent.glob('espnetv2-s2.0_*-pre_*_camvid-drive-*.py')
    labelled, others = student.train_dataloader.dataset.datasets
    assert labelled == read(teacher).train_dataloader.dataset
    assert sorted(labelled.indices + others.indices) == list(range(367))
    drives = [
        path.name.partition('_')[0] for path in sorted((shared / 'data/camvid/train').glob('*'))
    ]
    assert {drives[index] for index in labelled.indices} == {'0006R0'}
    assert {drives[index] for index in others.indices} == {'0001TP', '0016E5'}


@pytest.mark.parametrize('start', ['_', '_mapillary-pre-'])
@pytest.mark.parametrize('size', ['s', 'm', 'l', 'lite-s', 'lite-m', 'lite-l'])
def test_eseg_trains_as_in_the_paper(size, start):
    (path,) = CONFIGS.glob(f'eseg/eseg-{size}{start}selftrain_1xb128-46.5k_cityscapes-*.py')
    config = read(path)
    (supervised,) = CONFIGS.glob(f'eseg/eseg-{size}_1xb16-90k_cityscapes-*.py')
    supervised = read(supervised)
    assert config.optim_wrapper.optimizer.lr == 0.16
    assert round(config.train_cfg.max_iters * 64 / 2975) == 1000
    assert config.crop_size == supervised.crop_size
    assert config.train_dataloader.dataset.datasets[0] == supervised.train_dataloader.dataset
    if start == '_':
        assert config.model == supervised.model
    else:
        assert config.load_from.startswith(f'work_dirs/eseg-{size}_1xb16-562.5k_mapillary')
        assert config.model.backbone.get('init_cfg') is None


def test_labels_of_train_extra_have_the_names_of_the_images(tmp_path, make_image, monkeypatch):
    monkeypatch.setenv('MMSEG_EFF_DATA', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    images = tmp_path / 'cityscapes/leftImg8bit'
    make_image(images / 'train/ulm/a_leftImg8bit.png')
    for name in ('bayreuth/a', 'troisdorf/b'):
        make_image(images / f'train_extra/{name}_leftImg8bit.png')
    folder = tmp_path / 'work_dirs/pseudo_labels/cityscapes/labels'
    folder.mkdir(parents=True)
    (tmp_path / 'cityscapes/gtFine/train').mkdir(parents=True)
    config = read(next(path for path in STUDENTS if 'cityscapes-' in path.stem))
    labelled, others = build_datasets(config.train_dataloader.dataset, 'train_dataloader')
    label = labelled.get_data_info(0)['seg_map_path']
    assert label.endswith('cityscapes/gtFine/train/ulm/a_gtFine_labelTrainIds.png')
    labels = [Path(others.get_data_info(index)['seg_map_path']) for index in range(2)]
    expected = [folder / f'{name}_leftImg8bit.png' for name in ('bayreuth/a', 'troisdorf/b')]
    assert [label.resolve() for label in labels] == expected


@pytest.fixture
def camvid(tmp_path, monkeypatch):
    """The labels of a little CamVid, 92 true and 275 pseudo; the images have another suffix."""
    monkeypatch.setenv('MMSEG_EFF_DATA', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    true, pseudo = Path('camvid/trainannot'), Path('work_dirs/pseudo_labels/camvid/labels')
    for folder in (true, pseudo, images := Path('camvid/train')):
        folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = []
    for index in range(367):
        cv2.imwrite(f'{images}/{index:04d}.bmp', rng.integers(0, 256, (4, 6, 3), np.uint8))
        label = rng.integers(0, 12, (2, 4, 6), np.uint8)  # 11 is the void of CamVid's files
        label[1][label[1] == 11] = 255
        cv2.imwrite(f'{true}/{index:04d}.png', label[0])
        if index % 4:
            cv2.imwrite(f'{pseudo}/{index:04d}.png', label[1])
        labels.append(label[min(index % 4, 1)])
    return np.array(labels)


SUFFIXES = ['--cfg-options', f'{LABELLED}.img_suffix=.bmp', f'{OTHERS}.img_suffix=.bmp']


def test_tools_read_both_sources(camvid, capsys):
    """Labels and pseudo labels are counted, of each image one of the two."""
    assert class_weights.main([str(CAMVID), *SUFFIXES]) == 0
    printed = capsys.readouterr().out
    for name, count in zip(('Sky', 'Building'), np.bincount(camvid.ravel()), strict=False):
        assert re.search(rf'{name} +│ {count} ', printed)
    assert check_dataset.main([str(CAMVID), '--splits', 'train', '--workers', '1', *SUFFIXES]) == 0
    assert 'train 367 pairs: 0 errors, 0 notes' in capsys.readouterr().out


def test_missing_pseudo_label_is_named(camvid, capsys):
    label = Path('work_dirs/pseudo_labels/camvid/labels/0362.png')
    label.unlink()
    assert train.main([str(CAMVID), *SUFFIXES]) == 1
    assert f'error: {label}: no such label file' in capsys.readouterr().err


@pytest.mark.slow
def test_student_trains(tmp_path, monkeypatch):
    monkeypatch.setenv('MMSEG_EFF_DATA', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    root = make_toy_street(tmp_path / 'toystreet', num_val=1, size=(32, 64))
    shutil.copytree(root / 'labels/train', 'work_dirs/pseudo_labels/toystreet/labels')
    options = ['train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False']
    options += [option.replace('train', 'val') for option in options]
    options += [f'train_dataloader.{part}batch_size=2' for part in ('', 'sampler.')]
    options += ['train_cfg.max_iters=2', 'default_hooks.checkpoint.interval=2']
    assert train.main([str(TOY), '--work-dir', 'work', '--cfg-options', *options]) == 0
    (record,) = json.loads(Path('work/run_record.json').read_text())
    assert record['data']['samples'] == 240
    assert list(record['weights']) == ['2']
