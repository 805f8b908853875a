"""Also a program, which trains and kills itself: ``test_train_loop.py WORK_DIR WORKERS``."""

import hashlib
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import Numbers
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch.nn import functional as F
from torch.utils.data import DataLoader

from mmseg_eff.engine import SegRunner
from mmseg_eff.engine.samplers import resumable_sampler
from mmseg_eff.engine.samplers.resumable_sampler import ResumableSampler
from mmseg_eff.engine.train_loop import (
    ResumableEpochBasedTrainLoop,
    ResumableIterBasedTrainLoop,
)
from mmseg_eff.errors import InputError

CONFIG = 'configs/espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadCheckedAnnotations', num_classes=9),
    dict(type='RandomResize', scale=(128, 64), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(32, 64), cat_max_ratio=0.3),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
SAVED, KILLED, END = 4, 5, 7
EPOCHS = {  # of two iterations; three epochs
    'train_cfg': dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=2),
    'param_scheduler': [
        dict(type='LinearLR', start_factor=0.1, end=3, by_epoch=False),
        dict(type='PolyLR', power=0.9, end=3, by_epoch=True),
    ],
    'log_processor.by_epoch': True,
}
BY_EPOCH = dict(type='SafeCheckpointHook', by_epoch=True, interval=1, save_best='mIoU')


class Killed(Exception):
    pass


@HOOKS.register_module()
class KillHook(Hook):
    """Ends the training in the iteration after the one that is saved and validated."""

    def __init__(self, really, iteration=KILLED):
        self.really = really
        self.iteration = iteration

    def after_train_iter(self, runner, **kwargs):
        if runner.iter + 1 == self.iteration:
            if self.really:
                os.kill(os.getpid(), signal.SIGKILL)
            raise Killed


def runner_for(work_dir, workers, kill=None, seed=5, **options):
    """A short training with everything that has a state; validated and saved in iteration 4."""
    config = Config.fromfile(Path(__file__).parents[2] / CONFIG)
    config.merge_from_dict(
        {
            'model.backbone.num_blocks': (1, 1),
            'model.decode_head': dict(
                _delete_=True,
                type='FCNHead',
                in_channels=256,
                in_index=2,
                channels=8,
                num_classes=9,
                dropout_ratio=0.5,
                norm_cfg=dict(type='BN'),
            ),
            'train_dataloader.dataset.pipeline': PIPELINE,
            'train_dataloader.batch_size': 2,
            'train_dataloader.num_workers': workers,
            'train_dataloader.persistent_workers': workers > 0,
            'train_dataloader.sampler.type': 'ResumableSampler',
            'val_dataloader.num_workers': 0,
            'val_dataloader.persistent_workers': False,
            'train_cfg.type': 'ResumableIterBasedTrainLoop',
            'train_cfg.max_iters': END,
            'train_cfg.val_interval': SAVED,
            'default_hooks.checkpoint': dict(
                type='SafeCheckpointHook', by_epoch=False, interval=SAVED, save_best='mIoU'
            ),
            'param_scheduler': [
                dict(type='LinearLR', start_factor=0.1, end=3, by_epoch=False),
                dict(type='HybridLR', epoch_length=2, by_epoch=False),
            ],
            'work_dir': str(work_dir),
            'randomness': dict(seed=seed),
            'experiment_name': f'{Path(work_dir).name}{len(options)}{kill}',
            **options,
        }
    )
    config.custom_hooks = [
        dict(type='EMAHook', ema_type='RampedEMA', momentum=0.2, update_buffers=True)
    ]
    if kill is not None:
        config.custom_hooks.append(dict(type='KillHook', really=kill))
    init_default_scope('mmseg')
    return Runner.from_cfg(config)


def flat(value):
    """The tensors and numbers in nested dicts and lists, as bytes, in their order."""
    if isinstance(value, dict):
        value = itertools.chain.from_iterable(value.items())
    elif isinstance(value, torch.Tensor):
        yield value.numpy().tobytes()
        return
    elif not isinstance(value, (list, tuple)):
        yield repr(value).encode()
        return
    for item in value:
        yield from flat(item)


def states(work_dir, name=f'iter_{END}'):
    """A hash of each part of the last checkpoint."""
    checkpoint = torch.load(work_dir / f'{name}.pth', weights_only=True)
    parts = {
        name: checkpoint[name]
        for name in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')
    }
    history = checkpoint['message_hub']['log_scalars']
    parts |= {name: history[name].data[0].tolist() for name in ('train/loss', 'train/lr')}
    return {name: hashlib.sha256(b'|'.join(flat(part))).hexdigest() for name, part in parts.items()}


def generators():
    """Random numbers that the next iteration would see."""
    return [float(torch.rand(())), float(np.random.rand())]


@pytest.fixture(scope='module')
def straight(toy_root, tmp_path_factory):
    """States and random numbers of a training that is not stopped, without loader workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_EFF_DATA', str(toy_root))
        work_dir = tmp_path_factory.mktemp('straight')
        runner_for(work_dir, workers=0).train()
        return states(work_dir), generators()


@pytest.mark.parametrize('workers', [0, pytest.param(2, marks=pytest.mark.slow)])
def test_stopped_and_resumed_equals_straight(data_root, tmp_path, straight, workers):
    with pytest.raises(Killed):
        runner_for(tmp_path, workers, kill=False).train()
    assert not (tmp_path / f'iter_{END}.pth').exists()
    np.random.seed(77)  # of another process
    # the seed comes from the checkpoint
    runner_for(tmp_path, workers, seed=None, resume=True).train()
    expected, numbers = straight
    assert states(tmp_path) == expected
    assert generators() == numbers


@pytest.mark.slow
@pytest.mark.parametrize('workers', [0, 2])
def test_killed_and_resumed_equals_straight(data_root, tmp_path, straight, workers):
    # sums depend on the number of threads
    env = {**os.environ, 'OMP_NUM_THREADS': str(torch.get_num_threads())}
    process = subprocess.run(
        [sys.executable, __file__, str(tmp_path), str(workers)],
        capture_output=True,
        text=True,
        env=env,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert not (tmp_path / f'iter_{END}.pth').exists()
    runner_for(tmp_path, workers, resume=True).train()
    assert states(tmp_path) == straight[0]


def epochs_runner(work_dir, checkpoint, kill_at=None, **options):
    """A training of three epochs, in ``SegRunner``; stopped in an iteration, if one is given."""
    config = runner_for(
        work_dir, 0, **{**EPOCHS, 'default_hooks.checkpoint': checkpoint, **options}
    ).cfg
    config.train_cfg = EPOCHS['train_cfg']  # in place of what it was merged into
    if kill_at:
        config.custom_hooks.append(
            dict(type='KillHook', really=False, iteration=kill_at, priority='LOWEST')
        )
    config.experiment_name += f'{kill_at}{checkpoint["by_epoch"]}{config.resume}'
    return SegRunner.from_cfg(config)


@pytest.fixture(scope='module')
def straight_epochs(toy_root, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_EFF_DATA', str(toy_root))
        work_dir = tmp_path_factory.mktemp('straight_epochs')
        runner = epochs_runner(work_dir, BY_EPOCH)
        runner.train()
        assert (runner.epoch, runner.iter, runner.train_loop.max_iters) == (3, 6, 6)
        return states(work_dir, 'epoch_3'), generators()


@pytest.mark.parametrize(
    ('checkpoint', 'kill_at', 'saved', 'last'),
    [
        (BY_EPOCH, 4, 'epoch_1', 'epoch_3'),
        ({**BY_EPOCH, 'by_epoch': False, 'interval': 3}, 4, 'iter_3', 'iter_6'),  # in epoch 2
        ({**BY_EPOCH, 'by_epoch': False, 'interval': 4}, 4, 'iter_4', 'iter_6'),  # at its end
    ],
)
def test_epochs_stopped_and_resumed_equal_straight(
    data_root, tmp_path, straight_epochs, checkpoint, kill_at, saved, last
):
    with pytest.raises(Killed):
        epochs_runner(tmp_path, checkpoint, kill_at).train()
    assert Path((tmp_path / 'last_checkpoint').read_text()).stem == saved
    np.random.seed(77)
    runner = epochs_runner(tmp_path, checkpoint, resume=True)
    runner.train()
    assert runner.epoch == 3
    given, (expected, numbers) = states(tmp_path, last), straight_epochs
    if not checkpoint['by_epoch']:  # saved before the epoch's last step of the schedule
        for part in ('optimizer', 'param_schedulers'):
            del given[part]
    assert given == {part: expected[part] for part in given}
    assert generators() == numbers


def test_epochs_of_another_length_do_not_resume(data_root, tmp_path):
    with pytest.raises(Killed):
        epochs_runner(tmp_path, BY_EPOCH, kill_at=4).train()
    other = epochs_runner(tmp_path, BY_EPOCH, resume=True, **{'train_dataloader.batch_size': 1})
    with pytest.raises(InputError, match='iteration 2 in epoch 2, but an epoch has 4 iterations'):
        other.train()


def test_another_seed_is_another_training(data_root, tmp_path, straight):
    runner_for(tmp_path, workers=0, seed=6).train()
    other, expected = states(tmp_path), straight[0]
    assert other['state_dict'] != expected['state_dict']
    assert other['train/lr'] == expected['train/lr']


@pytest.mark.parametrize('world_size', [1, 2, 3])
@pytest.mark.parametrize('drop_last', [False, True])
@pytest.mark.parametrize('stop', [0, 1])
def test_an_epoch_ends_in_all_processes_alike(monkeypatch, world_size, drop_last, stop):
    """``stop`` iterations into each epoch the rest is what a whole epoch has left."""
    size = -(-5 // world_size)  # draws of a process
    for epoch in range(3):
        drawn = []
        for rank in range(world_size):
            monkeypatch.setattr(
                resumable_sampler, 'get_dist_info', lambda rank=rank: (rank, world_size)
            )
            sampler = ResumableSampler(Numbers(), seed=3)
            loader = DataLoader(Numbers(), 2, sampler=sampler, drop_last=drop_last)
            loop = object.__new__(ResumableEpochBasedTrainLoop)
            loop.dataloader, loop._runner = loader, SimpleNamespace(seed=3)
            batches = {}
            for begin in (0, min(stop, len(loader))):
                loop._epoch, loop._iter = epoch, epoch * len(loader) + begin
                assert loop.seek() == begin
                batches[begin] = list(loader.batch_sampler)
                assert len(batches[begin]) == len(loader) - begin
            assert batches[begin] == batches[0][begin:]
            assert len(loader) == (size // 2 if drop_last else -(-size // 2))
            drawn += [draw for batch in batches[0] for draw in batch]
        assert len(set(drawn)) == len(drawn)
        if not drop_last:
            assert len(drawn) == size * world_size
        if not drop_last and world_size == 1:
            assert {draw.sample for draw in drawn} == set(range(5))


@pytest.mark.parametrize('iteration', [200, 20_000])
def test_resuming_loads_only_what_follows(tmp_path, iteration):
    loop = dict(type='ResumableIterBasedTrainLoop', max_iters=iteration + 3, val_interval=10**6)
    model = torch.nn.Linear(1, 1)
    model.train_step = lambda batch, optim_wrapper: seen.extend(batch[0].tolist())
    seen = []
    runner = Runner(
        model,
        str(tmp_path),
        train_dataloader=dict(
            dataset=Numbers(),
            batch_size=2,
            num_workers=0,
            sampler=dict(type='ResumableSampler'),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=loop,
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict.fromkeys(
            ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
        ),
        randomness=dict(seed=3),
        default_scope='mmseg',
        experiment_name=f'from_{iteration}',
    )
    runner.train_loop._iter = iteration
    runner.train_loop.run()
    assert runner.train_dataloader.dataset.loaded == 6
    sampler = ResumableSampler(Numbers(), seed=3)
    sampler.first = 2 * iteration
    assert seen == [draw.sample for draw in itertools.islice(sampler, 6)]


@pytest.mark.parametrize('kind', [ResumableIterBasedTrainLoop, ResumableEpochBasedTrainLoop])
def test_dropout_differs_by_seed_iteration_and_rank(kind):
    """The network's random numbers in an iteration depend on nothing else."""

    def dropped(seed, iteration, rank):
        loop = object.__new__(kind)
        loop.seed, loop._iter = seed, iteration
        drawn = []
        loop._runner = SimpleNamespace(
            rank=rank,
            call_hook=lambda *args, **kwargs: None,
            optim_wrapper=None,
            model=SimpleNamespace(
                train_step=lambda batch, optim_wrapper: drawn.append(F.dropout(torch.ones(64)))
            ),
        )
        torch.rand(seed + iteration + rank)  # numbers drawn before do not matter
        loop.run_iter(*([{}] if kind is ResumableIterBasedTrainLoop else [0, {}]))
        return tuple(drawn[0].tolist())

    keys = list(itertools.product((3, 4), (0, 1, 7), (0, 1, 2)))
    given = [dropped(*key) for key in keys]
    assert len(set(given)) == len(keys)
    assert [dropped(*key) for key in reversed(keys)] == given[::-1]


def test_another_sampler_is_refused(data_root, tmp_path):
    runner = runner_for(tmp_path, 0, **{'train_dataloader.sampler.type': 'InfiniteSampler'})
    with pytest.raises(ValueError, match=r"must be a 'ResumableSampler' .* got InfiniteSampler"):
        runner.train()


if __name__ == '__main__':
    runner_for(Path(sys.argv[1]), int(sys.argv[2]), kill=True).train()
