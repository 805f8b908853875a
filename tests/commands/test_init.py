"""``mmseg-eff init``, and for each layout a training of what it wrote, prediction and export."""

import json
import shlex
import sys

import cv2
import numpy as np
import pytest
from dataset_folders import MAKERS, make_flat, make_split_folders, save

from mmseg_eff.commands import export, init, predict, train
from mmseg_eff.config.load import load_config
from mmseg_eff.dataset_check.build import build_datasets, iterate_labels
from mmseg_eff.own_data import run

QUICK = [  # fewer iterations, and no processes beside this one
    'train_cfg.max_iters=60',
    'train_cfg.val_interval=60',
    'param_scheduler.1.end=60',
    'default_hooks.checkpoint.interval=60',
    'default_hooks.logger.interval=5',
    'randomness.seed=0',
]
NO_WORKERS = [
    f'{split}_dataloader.{option}'
    for split in ('train', 'val', 'test')
    for option in ('num_workers=0', 'persistent_workers=False')
]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def without_weights(monkeypatch):
    monkeypatch.setattr(run, 'find_weights', lambda network: (None, ['camvid: not there']))


def test_says_what_it_found_and_what_is_next(workplace, without_weights, capsys):
    make_flat(workplace / 'data')
    assert init.main(['data', '--out', 'leaves.py', '--workers', '1']) == 0
    printed = capsys.readouterr().out
    for line in (
        'layout    a folder of images, a folder of labels: 13 pairs to train, 3 to validate',
        'images    64x96, 4 channels of uint8',
        'labels    values 0 to 2: 0 soil, 1 leaf, 2 weed',
        'network   ESeg on EfficientNet-Lite0, from random weights',
        'training  400 iterations of 3 crops of 64x96',
        'note      no split was found: a fifth validates, drawn with seed 0',
        'note      camvid: not there',
        '  mmseg-eff train leaves.py',
    ):
        assert f'{line}\n' in printed
    assert sum(line.startswith('  mmseg-eff ') for line in printed.splitlines()) == 3


def test_faults_give_status_1(workplace, without_weights, capsys):
    make_split_folders(workplace / 'data')
    save(workplace / 'data/labels/train/train_00.png', np.zeros((10, 10), np.uint8))
    assert init.main(['data', '--workers', '1']) == 1
    assert 'train_00.png: label size (10, 10) differs' in capsys.readouterr().err


def test_a_config_is_not_overwritten(workplace, capsys):
    (workplace / 'my_data.py').write_text('edited = True\n')
    (workplace / 'data').mkdir()
    assert init.main(['data']) == 1
    assert 'my_data.py: exists already; name another file' in capsys.readouterr().err
    assert (workplace / 'my_data.py').read_text() == 'edited = True\n'


def share_of_majority(config):
    """mIoU in percent of naming the most frequent class everywhere, on the validation."""
    datasets = build_datasets(config.val_dataloader.dataset, 'val_dataloader')
    counts = sum(np.bincount(label.ravel(), minlength=256) for label in iterate_labels(datasets))
    counts = counts[: len(datasets[0].metainfo['classes'])]
    return 100 * counts.max() / counts.sum() / np.count_nonzero(counts)


@pytest.mark.slow
@pytest.mark.parametrize('name', MAKERS)
def test_what_was_written_trains_predicts_and_exports(name, workplace, monkeypatch, capsys):
    """Nobody is asked, nothing is edited; options only shorten the training."""
    monkeypatch.setattr(sys, 'stdin', None)
    MAKERS[name](workplace / 'data')
    assert init.main(['data', '--workers', '1']) == 0
    lines = [s.split() for s in capsys.readouterr().out.splitlines() if s.startswith('  mmseg-eff')]
    config = load_config('my_data.py')

    assert train.main([*lines[0][2:], '--cfg-options', *QUICK, *NO_WORKERS]) == 0
    (log,) = (workplace / 'work_dirs/my_data').rglob('scalars.json')
    records = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [record['loss'] for record in records if 'loss' in record]
    (miou,) = [record['mIoU'] for record in records if 'mIoU' in record]
    majority = share_of_majority(config)
    with capsys.disabled():
        count = len((workplace / 'my_data.py').read_text().splitlines())
        print(
            f'\n{name}: {count} lines, loss {losses[0]:.2f} -> {losses[-1]:.2f}, '
            f'mIoU {miou:.2f}, of the majority {majority:.2f}'
        )
    assert len(losses) > 10 and np.mean(losses[-3:]) < np.mean(losses[:3])
    assert miou > majority

    (best,) = (workplace / 'work_dirs/my_data').glob('best_mIoU_iter_*.pth')
    words = [[str(best) if word.endswith('*.pth') else word for word in line] for line in lines]
    assert predict.main(shlex.split(shlex.join(words[1][2:]))) == 0
    labels = list((workplace / 'work_dirs/my_data/val/labels').rglob('*.png'))
    assert labels
    for path in labels:
        assert cv2.imread(str(path), -1).max() < len(config.head.loss_decode.class_weight)
    assert export.main([*words[2][2:], '--num-images', '2', '--threads', '1']) == 0
    report = json.loads((workplace / 'work_dirs/my_data/exported/report.json').read_text())
    assert report
