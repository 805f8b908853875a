import itertools
import logging
import re
from math import ceil

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import BaseLoop, Runner
from mmseg.registry import LOOPS
from torch import nn
from torch.utils.data import Dataset

from mmseg_eff.engine import SegRunner, TrainingCheckHook
from mmseg_eff.engine.hooks.training_check_hook import held_share
from mmseg_eff.errors import InputError

NUMBERS = itertools.count()  # names of the runs
EPOCHS = dict(type='EpochBasedTrainLoop', max_epochs=3)
ITERATIONS = dict(type='ResumableIterBasedTrainLoop', max_iters=6)
PLAIN = dict(type='IterBasedTrainLoop', max_iters=6)
POLY = dict(type='PolyLR', power=0.9)
HOOKS = dict(
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3),
    logger=dict(type='LoggerHook', log_metric_by_epoch=False),
)
EMA = dict(type='EMAHook', momentum=0.02)


class Maps(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return dict(inputs=torch.full((2, 3, 3), float(index)))


class Network(BaseModel):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 1)

    def forward(self, inputs, mode):
        return dict(loss=self.conv(inputs).square().mean()) if mode == 'loss' else [0]


class NoMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(data_samples)

    def compute_metrics(self, results):
        return {}


def runner_of(folder, loop, *, runner_type=SegRunner, sampler='ResumableSampler', **settings):
    """Two iterations an epoch."""
    loader = dict(
        dataset=Maps(), batch_size=2, num_workers=0, collate_fn=dict(type='default_collate')
    )
    by_epoch = loop.get('by_epoch', 'max_epochs' in loop)
    return runner_type(
        Network(),
        str(folder),
        train_dataloader={**loader, 'sampler': dict(type=sampler), **settings.pop('loader', {})},
        val_dataloader=dict(**loader, sampler=dict(type='DefaultSampler')),
        train_cfg={'val_interval': 3, **loop},
        val_cfg=dict(),
        val_evaluator=[NoMetric()],
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks={**HOOKS, **settings.pop('hooks', {})},
        log_processor=settings.pop('log_processor', dict(by_epoch=by_epoch)),
        default_scope='mmseg',
        experiment_name=f'run_{next(NUMBERS)}',
        **settings,
    )


@pytest.mark.parametrize(
    ('loop', 'settings', 'message'),
    [
        (EPOCHS, dict(sampler='InfiniteSampler'), "set train_dataloader.sampler.type='DefaultS"),
        (EPOCHS, dict(loader=dict(batch_size=8, drop_last=True)), 'batch_size is 8, with drop_l'),
        (dict(EPOCHS, max_epochs=0), {}, 'train_cfg.max_epochs must be 1 or more, got 0'),
        (dict(EPOCHS, val_interval=0), {}, 'train_cfg.val_interval must be 1 or more, got 0'),
        (dict(PLAIN, max_iters=0), {}, 'train_cfg.max_iters must be 1 or more, got 0'),
        (
            EPOCHS,
            dict(param_scheduler=dict(POLY, end=3, by_epoch=False)),
            'learning rate 0 from iteration 3 of 6 on: set param_scheduler.0.end=6 (or param_sche'
            'duler.0.by_epoch=True, if it counts epochs)',
        ),
        (
            ITERATIONS,
            dict(param_scheduler=dict(type='CosineAnnealingLR', end=3, by_epoch=False)),
            'param_scheduler.0 (CosineAnnealingLR) makes the learning rate 0 from iteration 3 of 6',
        ),
        (
            ITERATIONS,
            dict(param_scheduler=[dict(POLY, end=6, by_epoch=True)]),
            'param_scheduler.0 (PolyLR) counts epochs and the training iterations: set param_sche'
            'duler.0.by_epoch=False',
        ),
        (
            PLAIN,
            dict(hooks=dict(checkpoint=dict(type='SafeCheckpointHook', interval=1))),
            'SafeCheckpointHook counts epochs and the training iterations: set default_hooks.chec'
            'kpoint.by_epoch=False',
        ),
        (
            PLAIN,
            dict(hooks=dict(logger=dict(type='LoggerHook'))),
            'set default_hooks.logger.log_metric_by_epoch=False',
        ),
        (PLAIN, dict(log_processor=dict(by_epoch=True)), 'set log_processor.by_epoch=False'),
        (PLAIN, dict(custom_hooks=[dict(EMA, begin_epoch=2)]), 'set begin_iter in place of begin'),
        (
            PLAIN,
            dict(custom_hooks=[dict(type='ProfilerHook', profile_times=1)]),
            'ProfilerHook counts epochs and the training iterations: set by_epoch=False in it',
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_saved(tmp_path, loop, settings, message):
    runner = runner_of(tmp_path, loop, **settings)
    with pytest.raises(InputError) as raised:
        runner.train()
    assert message in str(raised.value)
    assert '\n' not in str(raised.value)
    assert not list(tmp_path.glob('*.pth'))
    assert not torch.autograd._profiler_enabled()  # it would crash Python at exit


def test_all_faults_are_in_one_line(tmp_path):
    settings = dict(
        param_scheduler=[dict(POLY, end=6)],
        hooks=dict(checkpoint=dict(type='CheckpointHook')),
        log_processor=dict(by_epoch=True),
    )
    with pytest.raises(InputError, match=r'PolyLR.*; CheckpointHook.*; the log'):
        runner_of(tmp_path, ITERATIONS, **settings).train()


@pytest.mark.parametrize(
    ('loop', 'message'),
    [
        (dict(EPOCHS, max_iters=6), 'EpochBasedTrainLoop takes max_epochs and no max_iters=6'),
        (dict(PLAIN, max_epochs=6), 'IterBasedTrainLoop takes max_iters and no max_epochs=6'),
        (dict(PLAIN, by_epoch=True), r"no type='IterBasedTrainLoop': write .*type='EpochBasedT"),
        (dict(max_iters=6), "must name its type: 'ResumableIterBasedTrainLoop' with max_iters or"),
    ],
)
def test_a_mixed_loop_is_refused(tmp_path, loop, message):
    with pytest.raises(InputError, match=message):
        runner_of(tmp_path, loop, log_processor=dict(by_epoch=False)).train()


@pytest.mark.parametrize(
    ('loop', 'settings', 'kind'),
    [
        (EPOCHS, {}, 'ResumableEpochBasedTrainLoop'),
        (dict(by_epoch=True, max_epochs=3), {}, 'ResumableEpochBasedTrainLoop'),
        (dict(EPOCHS, type='ResumableEpochBasedTrainLoop'), {}, 'ResumableEpochBasedTrainLoop'),
        (EPOCHS, dict(sampler='DefaultSampler'), 'EpochBasedTrainLoop'),
        (PLAIN, dict(sampler='InfiniteSampler'), 'IterBasedTrainLoop'),
        (PLAIN, {}, 'IterBasedTrainLoop'),
        (ITERATIONS, dict(param_scheduler=dict(POLY, end=6, by_epoch=False)), ITERATIONS['type']),
        (EPOCHS, dict(param_scheduler=dict(POLY, end=3)), 'ResumableEpochBasedTrainLoop'),
        (
            EPOCHS,
            dict(param_scheduler=dict(POLY, end=3, convert_to_iter_based=True)),
            'ResumableEpochBasedTrainLoop',
        ),
    ],
)
def test_what_fits_trains_to_its_end(tmp_path, loop, settings, kind):
    runner = runner_of(tmp_path, loop, **settings)
    runner.train()
    assert type(runner.train_loop).__name__ == kind
    assert runner.iter == 6
    assert runner.epoch == (0 if 'max_iters' in loop else 3)
    assert {path.name for path in tmp_path.glob('*.pth')} == {'iter_3.pth', 'iter_6.pth'}


def test_another_runner_is_told_of_the_loop_for_our_sampler(tmp_path):
    runner = runner_of(tmp_path, EPOCHS, runner_type=Runner)
    runner.register_hook(TrainingCheckHook())
    with pytest.raises(InputError, match=r"train_cfg.type='ResumableEpochBasedTrainLoop'"):
        runner.train()


@LOOPS.register_module()
class OwnLoop(BaseLoop):
    val_interval = 0  # which would be refused in mmengine's

    def run(self):
        return TrainingCheckHook().before_train(self.runner)


def test_a_loop_of_the_users_own_is_left_alone(tmp_path):
    runner = runner_of(tmp_path, EPOCHS)
    runner._train_loop = runner.build_train_loop(dict(type='OwnLoop'))
    assert runner.train_loop.run() is None


@pytest.mark.parametrize(
    ('loop', 'settings', 'expected'),
    [
        (EPOCHS, {}, []),
        (ITERATIONS, dict(custom_hooks=[dict(EMA, ema_type='RampedEMA')]), []),
        (ITERATIONS, dict(custom_hooks=[dict(EMA, momentum=0.5)]), []),
        (
            ITERATIONS,
            dict(custom_hooks=[EMA]),
            ['after 6 iterations its average still holds 90% of the .* momentum=0.02 remembers 50'],
        ),
        (
            EPOCHS,
            dict(custom_hooks=[dict(EMA, begin_epoch=3)]),
            ["98% of .* set ema_type='RampedEMA' in it, or momentum=0.5 or more"],
        ),
        (
            EPOCHS,
            dict(param_scheduler=dict(POLY, end=80000, by_epoch=False)),
            [r'param_scheduler.0 \(PolyLR\) ends at iteration 80000, the training at 6'],
        ),
        (dict(EPOCHS, val_interval=2000), {}, ['val_interval is 2000 epochs, the training 3']),
        (
            EPOCHS,
            dict(hooks=dict(checkpoint=dict(type='CheckpointHook', interval=5000))),
            ['interval is 5000 epochs, the training 3: nothing is saved before its end'],
        ),
        (
            EPOCHS,
            dict(sampler='DefaultSampler'),
            ['saves inside of epochs, which Epoch'],
        ),
    ],
)
def test_what_is_probably_wrong_is_said(tmp_path, monkeypatch, loop, settings, expected):
    said = []
    monkeypatch.setattr(
        'mmseg_eff.engine.hooks.training_check_hook.print_log',
        lambda text, logger, level: said.append((text, level)),
    )
    runner_of(tmp_path, loop, **settings).train()
    assert len(said) == len(expected)
    for (text, level), pattern in zip(said, expected, strict=True):
        assert re.search(pattern, text), text
        assert level == logging.WARNING


@pytest.mark.parametrize('interval', [1, 3])
@pytest.mark.parametrize('kind', ['ExponentialMovingAverage', 'MomentumAnnealingEMA', 'RampedEMA'])
def test_the_share_held_is_that_of_a_real_average(kind, interval):
    """From a weight of 1 with a network at 0, an average is the share of the first weight."""
    from mmseg.registry import MODELS

    network = nn.Linear(1, 1, bias=False)
    nn.init.ones_(network.weight)
    average = MODELS.build(dict(type=kind, model=network, momentum=0.005, interval=interval))
    for iteration in range(60):
        average.update_parameters(network)
        nn.init.zeros_(network.weight)
        share = held_share(average, ceil((iteration + 1) / interval))
        if kind == 'RampedEMA':
            assert share == 0
        else:
            assert average.module.weight.item() == pytest.approx(share, rel=1e-5)
    if kind == 'RampedEMA':
        assert average.module.weight.item() < 0.01
    elif kind == 'ExponentialMovingAverage' and interval == 1:
        assert share == pytest.approx(0.744, abs=1e-3)
