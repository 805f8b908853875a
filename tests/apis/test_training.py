"""``train`` as a Python user calls it."""

import json
from collections import Counter
from itertools import chain

import pytest
import torch
from helpers import TINY
from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger

import mmseg_eff
from mmseg_eff.apis.training import Training, train
from mmseg_eff.checkpoint import pth
from mmseg_eff.config.load import load_config
from mmseg_eff.converters import load_checkpoint
from mmseg_eff.errors import InputError

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
OPTIONS = {key: DictAction._parse_iterable(value) for key, value in (o.split('=') for o in TINY)}
LONGER = {
    **OPTIONS,
    'train_cfg.max_iters': 3,
    'train_cfg.val_interval': 3,
    'default_hooks.checkpoint.interval': 3,
}


@pytest.fixture
def first(data_root, tmp_path):
    """A training of two iterations that keeps its best checkpoint."""
    best = {'default_hooks.checkpoint.save_best': 'mIoU'}
    return train(LEAF, work_dir=tmp_path / 'first', options={**OPTIONS, **best})


def test_what_a_training_returns(first, tmp_path):
    assert mmseg_eff.train is train and mmseg_eff.Training is Training
    assert first.work_dir == tmp_path / 'first'
    assert first.last_checkpoint == tmp_path / 'first/iter_2.pth'
    assert first.best_checkpoint == tmp_path / 'first/best_mIoU_iter_2.pth'
    assert all(path.is_file() for path in (first.last_checkpoint, first.best_checkpoint))
    assert set(first.metrics) == {'aAcc', 'mIoU', 'mAcc'}
    assert 0 < first.metrics['mIoU'] < 100


def test_trainings_in_one_process_keep_apart(first, tmp_path):
    """Each has a log, a message hub and curves of its own, and a config is left as it is."""
    logger = MMLogger.get_instance('ours')
    config = load_config(LEAF, LONGER)
    before = Config(config.to_dict())
    second = train(config, work_dir=tmp_path / 'second')
    assert config.to_dict() == before.to_dict()
    assert second.last_checkpoint == tmp_path / 'second/iter_3.pth'
    assert second.best_checkpoint is None
    steps = {}
    for training in (first, second):
        (curves,) = training.work_dir.glob('*/vis_data/scalars.json')
        lines = [json.loads(line) for line in curves.read_text().splitlines()]
        steps[training.work_dir.name] = [line['step'] for line in lines if 'loss' in line]
        (log,) = training.work_dir.glob('*/*.log')
        assert log.read_text().count('training begins at iteration 0') == 1
    assert steps == dict(first=[1, 2], second=[1, 2, 3])
    assert MMLogger.get_current_instance() is logger


def test_a_deterministic_training_leaves_the_next_one_free(data_root, tmp_path, monkeypatch):
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # or the training would leave it set
    state = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    no_validation = dict.fromkeys(('val_cfg', 'val_dataloader', 'val_evaluator'))
    options = {**OPTIONS, **no_validation}
    training = train(LEAF, work_dir=tmp_path, deterministic=True, options=options)
    assert training.metrics == {}
    assert not torch.are_deterministic_algorithms_enabled()
    assert state == (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    (record,) = json.loads((tmp_path / 'run_record.json').read_text())
    assert record['deterministic'] is True and record['seed'] == 0


def test_resume(first, tmp_path):
    """From the work dir, or from a checkpoint elsewhere."""
    resumed = train(LEAF, work_dir=tmp_path / 'first', resume=True, options=LONGER)
    other = train(LEAF, work_dir=tmp_path / 'x', resume=first.last_checkpoint, options=LONGER)
    for training in (resumed, other):
        (log, *_) = sorted(training.work_dir.glob('*/*.log'), reverse=True)
        assert f'goes on from {first.last_checkpoint}, at iteration 2' in log.read_text()
        assert load_checkpoint(training.last_checkpoint)['meta']['iter'] == 3


def test_metrics_of_a_training_that_was_over(first):
    again = train(LEAF, work_dir=first.work_dir, resume=True, options=OPTIONS)
    assert again.metrics == first.metrics


@pytest.fixture
def read(monkeypatch):
    """How often each checkpoint is read, by its name."""
    counts = Counter()
    original = pth.check_content

    def check_content(path):
        counts[path.name] += 1
        return original(path)

    monkeypatch.setattr(pth, 'check_content', check_content)
    return counts


@pytest.mark.parametrize('resume', [True, False])
def test_a_start_reads_its_checkpoint_once(first, tmp_path, read, resume):
    path, work_dir = first.last_checkpoint, first.work_dir
    options = LONGER if resume else {**LONGER, 'load_from': str(path)}
    read.clear()
    train(LEAF, work_dir=work_dir if resume else tmp_path / 'new', resume=resume, options=options)
    assert read[path.name] == 1


def test_wrong_config(data_root, tmp_path):
    options = {**OPTIONS, 'optim_wrapper.optimizer.type': 'Adamm'}
    with pytest.raises(InputError, match='Adamm is not in the optimizer registry'):
        train(LEAF, work_dir=tmp_path, options=options)
    assert not list(chain(tmp_path.glob('*.pth'), tmp_path.glob('*.json')))
