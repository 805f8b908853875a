"""Hook that refuses a training whose schedules, hooks or sampler do not fit its loop.

A training counts iterations or epochs. In one by iterations, mmengine sees a single epoch: parts
that count epochs act once, at its end. In one by epochs, an endless sampler never ends the first.
mmengine would run both without an error.
"""

import logging
from collections.abc import Iterator
from math import ceil

import numpy as np
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import CheckpointHook, EMAHook, Hook, LoggerHook
from mmengine.logging import print_log
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import CosineAnnealingParamScheduler, PolyParamScheduler, _ParamScheduler
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from ...errors import InputError
from ..samplers.resumable_sampler import ResumableSampler
from ..train_loop import ResumableEpochBasedTrainLoop

UNBOUNDED = 10**9  # the end of a schedule that names none
EARLY = 0.9  # share of the training; a learning rate of 0 before it wastes the rest
HELD = 0.05  # share of the initial weights in an average, above which to warn


@HOOKS.register_module()
class TrainingCheckHook(Hook):
    """Check loop, sampler, schedules, hooks and log against each other before a training starts.

    ``SegRunner`` and ``tools/train.py`` register it. It warns of what is probably wrong: a schedule
    or an interval longer than the training, and an average of the weights that still holds much of
    the initial ones at the end.
    """

    priority = 'VERY_HIGH'  # before anything is written

    def before_train(self, runner: Runner) -> None:
        """Check all parts, which are built by now.

        Raises:
            InputError: Lists everything that does not fit, in one line.
        """
        loop = runner.train_loop
        if not isinstance(loop, EpochBasedTrainLoop | IterBasedTrainLoop):
            return  # a loop of the user's own
        faults = list(loop_faults(loop))
        if isinstance(loop, IterBasedTrainLoop):
            faults += faults_by_iterations(runner)
        if faults or (faults := list(schedule_faults(runner))):
            raise InputError('; '.join(faults))
        for warning in (*length_warnings(runner), *average_warnings(runner)):
            print_log(warning, logger='current', level=logging.WARNING)


def is_by_epoch(loop: BaseLoop) -> bool:
    """Whether a train loop counts epochs."""
    return isinstance(loop, EpochBasedTrainLoop)


def loop_faults(loop: BaseLoop) -> Iterator[str]:
    """What is wrong with a train loop and its sampler."""
    for name in ('max_epochs', 'max_iters', 'val_interval'):
        if getattr(loop, name, 1) < 1 and (name != 'max_iters' or not is_by_epoch(loop)):
            yield f'train_cfg.{name} must be 1 or more, got {getattr(loop, name)}'
    if not is_by_epoch(loop):
        return
    sampler = loop.dataloader.sampler
    if not len(loop.dataloader):
        yield (
            f'an epoch has no batch: train_dataloader.batch_size is {loop.dataloader.batch_size}, '
            f'with drop_last, for {len(loop.dataloader.dataset)} images'
        )
    is_own = isinstance(sampler, ResumableSampler)
    if isinstance(sampler, InfiniteSampler) or (
        is_own and not isinstance(loop, ResumableEpochBasedTrainLoop)
    ):
        other = 'train_cfg.type' if is_own else 'train_dataloader.sampler.type'
        value = ResumableEpochBasedTrainLoop.__name__ if is_own else 'DefaultSampler'
        hint = '' if is_own else " (or 'ResumableSampler', which resumes exactly)"
        yield (
            f'{type(loop).__name__} would never end an epoch, since {type(sampler).__name__} is '
            f'endless: set {other}={value!r}{hint}'
        )


def faults_by_iterations(runner: Runner) -> Iterator[str]:
    """Parts that count epochs in a training by iterations."""
    text = 'counts epochs and the training iterations: set'
    for name, scheduler in schedulers(runner):
        if scheduler.by_epoch:
            yield (
                f'{name} ({type(scheduler).__name__}) {text} {name}.by_epoch=False, with begin and '
                'end in iterations'
            )
    for hook in runner.hooks:
        name = type(hook).__name__
        if isinstance(hook, CheckpointHook) and hook.by_epoch:
            yield (
                f'{name} {text} default_hooks.checkpoint.by_epoch=False, with interval in '
                'iterations'
            )
        elif getattr(hook, 'by_epoch', False):
            yield f'{name} {text} by_epoch=False in it'
        elif isinstance(hook, LoggerHook) and hook.log_metric_by_epoch:
            yield f'{name} {text} default_hooks.logger.log_metric_by_epoch=False'
        elif isinstance(hook, EMAHook) and hook.begin_epoch > 1:
            yield f'{name} {text} begin_iter in place of begin_epoch={hook.begin_epoch}'
    if getattr(runner.log_processor, 'by_epoch', False):
        yield f'the log {text} log_processor.by_epoch=False'


def schedulers(runner: Runner) -> Iterator[tuple[str, _ParamScheduler]]:
    """The schedules, each by its name in the config."""
    given = runner.param_schedulers or []
    groups = given.items() if isinstance(given, dict) else [('', given)]
    for group, members in groups:
        for index, scheduler in enumerate(members):
            yield '.'.join(filter(None, ('param_scheduler', group, str(index)))), scheduler


def steps_of(runner: Runner, by_epoch: bool) -> int:
    """Length of the training in epochs or in iterations."""
    return runner.train_loop.max_epochs if by_epoch else runner.train_loop.max_iters


def schedule_faults(runner: Runner) -> Iterator[str]:
    """Learning rates that are 0 for much of the training, for example without ``by_epoch``."""
    if isinstance(runner.param_schedulers, dict):
        return  # several optimisers
    members = list(schedulers(runner))

    def share(scheduler: _ParamScheduler) -> float:
        return scheduler.end / steps_of(runner, scheduler.by_epoch)

    for name, scheduler in members:
        rivals = [s for _, s in members if s.param_name == scheduler.param_name]
        is_last = all(share(rival) <= share(scheduler) for rival in rivals)
        if scheduler.param_name == 'lr' and is_last and ends_at_zero(scheduler):
            total = steps_of(runner, scheduler.by_epoch)
            if scheduler.end < EARLY * total:
                unit = 'epoch' if scheduler.by_epoch else 'iteration'
                by_epoch = is_by_epoch(runner.train_loop) and not scheduler.by_epoch
                other = f' (or {name}.by_epoch=True, if it counts epochs)' if by_epoch else ''
                yield (
                    f'{name} ({type(scheduler).__name__}) makes the learning rate 0 from {unit} '
                    f'{scheduler.end} of {total} on: set {name}.end={total}{other}'
                )


def ends_at_zero(scheduler: _ParamScheduler) -> bool:
    """Whether a schedule falls to 0 at its end and stays there."""
    if isinstance(scheduler, CosineAnnealingParamScheduler):
        return not (scheduler.eta_min or scheduler.eta_min_ratio) and (
            scheduler.T_max == scheduler.end - scheduler.begin
        )
    return isinstance(scheduler, PolyParamScheduler) and scheduler.eta_min == 0


def length_warnings(runner: Runner) -> Iterator[str]:
    """Schedules and intervals that are longer than the training."""
    loop = runner.train_loop
    for name, scheduler in schedulers(runner):
        total = steps_of(runner, scheduler.by_epoch)
        if total < scheduler.end < UNBOUNDED:
            unit = 'epoch' if scheduler.by_epoch else 'iteration'
            yield (
                f'{name} ({type(scheduler).__name__}) ends at {unit} {scheduler.end}, the training '
                f'at {total}'
            )
    unit = 'epochs' if is_by_epoch(loop) else 'iterations'
    total = steps_of(runner, is_by_epoch(loop))
    if runner.val_loop is not None and loop.val_interval > total:
        yield (
            f'train_cfg.val_interval is {loop.val_interval} {unit}, the training {total}: the only '
            'validation is at its end'
        )
    for hook in runner.hooks:
        if not isinstance(hook, CheckpointHook):
            continue
        unit = 'epochs' if hook.by_epoch else 'iterations'
        total = steps_of(runner, hook.by_epoch)
        if hook.interval > total:
            yield (
                f'{type(hook).__name__}: interval is {hook.interval} {unit}, the training {total}: '
                'nothing is saved before its end'
            )
        if (
            type(loop) is EpochBasedTrainLoop
            and not hook.by_epoch
            and hook.interval > 0
            and hook.interval % len(loop.dataloader)
        ):
            yield (
                f'{type(hook).__name__} saves inside of epochs, which {type(loop).__name__} begins '
                "again when it resumes; train_dataloader.sampler.type='ResumableSampler' goes on "
                'exactly'
            )


def average_warnings(runner: Runner) -> Iterator[str]:
    """Averages of the weights whose momentum is too small for the length of the training."""
    loop = runner.train_loop
    for hook in runner.hooks:
        if not isinstance(hook, EMAHook):
            continue
        begin = max(hook.begin_iter - 1, 0)
        if hook.enabled_by_epoch and is_by_epoch(loop):
            begin = (hook.begin_epoch - 1) * len(loop.dataloader)
        average = hook.ema_model
        updates = ceil((loop.max_iters - begin) / average.interval)
        share = held_share(average, updates)
        if share > HELD:
            enough = min(0.5, 1 - HELD ** (1 / max(updates - 1, 1)))
            yield (
                f'EMAHook: after {loop.max_iters} iterations its average still holds {share:.0%} '
                f'of the weights that it began with, since momentum={average.momentum:g} remembers '
                f"{1 / average.momentum:.0f} updates: set ema_type='RampedEMA' in it, or "
                f'momentum={enough:.2g} or more'
            )


def held_share(average: object, updates: int) -> float:
    """Share of the first weights in an average after a number of updates.

    Only mmengine's with a momentum can hold much; the first update copies the weights.
    """
    if not isinstance(average, ExponentialMovingAverage) or updates < 1:
        return 0.0
    gamma = getattr(average, 'gamma', 0)  # of MomentumAnnealingEMA
    steps = np.arange(1, updates) * average.interval
    momentum = np.maximum(average.momentum, gamma / (gamma + steps))
    return float(np.prod(1 - momentum))
