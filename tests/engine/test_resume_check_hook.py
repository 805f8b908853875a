"""Each row of the table of differences, tried on a checkpoint of a tiny training."""

import shutil
from pathlib import Path

import pytest
import torch
from helpers import TINY, parsed
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from mmseg_eff.commands._cli import add_runner_arguments, read_runner_config_of
from mmseg_eff.engine import SegRunner
from mmseg_eff.engine.differences import TABLE
from mmseg_eff.engine.hooks import resume_check_hook
from mmseg_eff.errors import InputError

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
EMA = dict(type='EMAHook', ema_type='RampedEMA', momentum=0.2)
SGD = dict(_delete_=True, type='SGD', lr=0.1, momentum=0.9, weight_decay=0.01)
EPOCHS = {
    'train_cfg': dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=2),
    'param_scheduler': [dict(type='PolyLR', power=0.9, end=3, by_epoch=True)],
    'log_processor.by_epoch': True,
    'default_hooks.checkpoint': dict(type='SafeCheckpointHook', by_epoch=True, interval=1),
}


class Stop(Exception):
    pass


class StopHook(Hook):
    """Ends a training where all is built and nothing loaded."""

    priority = 'LOWEST'

    def before_run(self, runner):
        raise Stop


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """mmengine formats a config four times at a start, which takes most of its time."""
    monkeypatch.setattr(Config, 'pretty_text', 'a config')


def build(work_dir, changes=None, runner=SegRunner, hooks=(EMA,), **settings):
    """A training of two iterations, with the changes in place of what they name."""
    argv = [LEAF, '--work-dir', str(work_dir), '--cfg-options', *TINY]
    config = read_runner_config_of(parsed(argv, add_runner_arguments))
    config.merge_from_dict(
        {
            'optim_wrapper.optimizer': SGD,
            'optim_wrapper.paramwise_cfg': dict(norm_decay_mult=0.0),
            'train_dataloader.sampler.type': 'ResumableSampler',
            'train_cfg.type': 'ResumableIterBasedTrainLoop',
            'custom_hooks': list(hooks),
            'randomness': dict(seed=5),
            'train_dataloader.dataset.serialize_data': False,  # it collects all garbage first
            **settings,
            **(changes or {}),
        }
    )
    config.train_cfg = (changes or {}).get('train_cfg', config.train_cfg)
    config.update(val_dataloader=None, val_cfg=None, val_evaluator=None)
    return runner.from_cfg(config)


@pytest.fixture(scope='module')
def saved(toy_root, tmp_path_factory):
    """The work dir of a training that has ended, and its checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_EFF_DATA', str(toy_root))
        folder = tmp_path_factory.mktemp('saved')
        build(folder).train()
        return folder / 'iter_2.pth'


@pytest.fixture
def copy(saved, tmp_path):
    """A work dir of its own for a test."""
    shutil.copy(saved, tmp_path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / saved.name))
    return tmp_path


@pytest.fixture
def said(monkeypatch):
    """What a resumption says, line by line."""
    lines = []
    monkeypatch.setattr(
        resume_check_hook, 'print_log', lambda text, **kwargs: lines.append((kwargs, text))
    )
    return lines


def resume(work_dir, changes=None, **kwargs):
    """Go on until everything is compared."""
    runner = build(work_dir, dict(resume=True, **(changes or {})), **kwargs)
    runner.register_hook(StopHook())
    with pytest.raises(Stop):
        runner.train()


def edit(path, **changes):
    """Write other things into a checkpoint's fingerprint."""
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['meta']['fingerprint'].update(changes)
    torch.save(checkpoint, path)


def test_the_same_training_goes_on_without_a_word(data_root, copy, said):
    resume(copy)
    assert said == []


ERRORS = {
    'network': (
        {'model.decode_head.num_classes': 10},
        r'network: decode_head.conv_seg.weight was \(20, 9, 2, 2\), is \(20, 10, 2, 2\) \(tensors',
    ),
    'unit': (EPOCHS, "unit: was 'iterations', is 'epochs'"),
    'optimizer': (
        {'optim_wrapper.optimizer': dict(_delete_=True, type='Adam', lr=0.1, weight_decay=0.1)},
        "optimizer: was 'SGD', is 'Adam'",
    ),
    'parameter groups': (
        {'optim_wrapper.paramwise_cfg': None},
        'parameter groups: were 75 of 75 parameters, are 1 of 75 parameters',
    ),
    'schedule types': (
        {'param_scheduler': [dict(type='CosineAnnealingLR', T_max=2, by_epoch=False)]},
        r"schedule types: 0 was 'PolyLR', is 'CosineAnnealingLR'",
    ),
    'sampler': (
        {
            'train_cfg.type': 'IterBasedTrainLoop',
            'train_dataloader.sampler.type': 'InfiniteSampler',
        },
        "sampler: was 'ResumableSampler', is 'InfiniteSampler'",
    ),
    'weight average': ({'custom_hooks': []}, 'weight average: was there, is absent'),
}
WARNINGS = {
    'optimizer settings': (
        {'optim_wrapper.optimizer': {**SGD, 'lr': 0.2}},
        "lr was '0.1', is '0.2' (the checkpoint's is used)",
    ),
    'paramwise_cfg': (
        {'optim_wrapper.paramwise_cfg.norm_decay_mult': 0.5},
        'paramwise_cfg: norm_decay_mult was 0.0, is 0.5',
    ),
    'schedule': (
        {'param_scheduler.0.power': 0.5},
        "schedule: 0.power was 0.9, is 0.5 (the checkpoint's is used)",
    ),
    'length': (
        {'train_cfg.max_iters': 4},
        "length: was 2, is 4 (the schedules are the checkpoint's and end where they did)",
    ),
    'weight average settings': (
        {'custom_hooks': [{**EMA, 'momentum': 0.1}]},
        'weight average settings: 0.momentum was 0.2, is 0.1',
    ),
    'batches': ({'train_dataloader.batch_size': 1}, 'batches: size was 2, is 1'),
    'sampler settings': (
        {'train_dataloader.sampler.shuffle': False},
        'sampler settings: shuffle was True, is False',
    ),
    'data': (
        {'train_dataloader.dataset.indices': 3},
        "data: samples was 4, is 3, hash was '",
    ),
    'dataset settings': (
        {'train_dataloader.dataset.ignore_index': 254},
        'dataset settings: ignore_index was absent, is 254',
    ),
    'augmentation': (
        {'train_dataloader.dataset.pipeline.3.crop_size': (32, 64)},
        'augmentation: 0.3.crop_size.0 was 64, is 32, 0.3.crop_size.1 was 128, is 64',
    ),
    'model settings': (
        {'model.decode_head.loss_decode.loss_weight': 0.4},
        'model settings: decode_head.loss_decode.loss_weight was ',
    ),
    'custom hooks': (
        {'custom_hooks': [EMA, dict(type='FrozenNormHook')]},
        "custom hooks: 0 was absent, is {'type': 'FrozenNormHook'}",
    ),
    'optimizer wrapper': (
        {'optim_wrapper.accumulative_counts': 2},
        'optimizer wrapper: accumulative_counts was 1, is 2',
    ),
    'seed': ({'randomness.seed': 6}, "seed: was 5, is 6 (the checkpoint's is used)"),
}
OF_THE_MACHINE = {  # item -> what another machine would have written
    'number of classes': 8,
    'class names': ['road'] * 9,
    'processes': 2,
    'threads': 99,
    'device': 'tpu',
    'torch': '1.0',
    'mmseg_eff': '0.0',
}


def test_each_row_of_the_table_is_tried():
    assert {*ERRORS, *WARNINGS, *OF_THE_MACHINE, 'state'} == set(TABLE)


@pytest.mark.parametrize('item', ERRORS)
def test_what_cannot_go_on_is_one_line(data_root, copy, item):
    changes, expected = ERRORS[item]
    with pytest.raises(InputError, match=expected) as error:
        resume(copy, changes)
    path = copy / 'iter_2.pth'
    line = str(error.value)
    assert line.startswith(f'{path}: cannot be resumed from by this config: ')
    assert line.endswith(f'without --resume and in another work dir: load_from={path}')
    assert '\n' not in line


@pytest.mark.parametrize('item', WARNINGS)
def test_what_differs_is_said(data_root, copy, said, item):
    changes, expected = WARNINGS[item]
    resume(copy, changes)
    path = copy / 'iter_2.pth'
    lines = [text for kwargs, text in said if kwargs.get('level')]
    (line,) = [text for text in lines if text.startswith(f'{path}: {item}: ')]
    assert expected in line


@pytest.mark.parametrize('item', OF_THE_MACHINE)
def test_what_another_machine_has(data_root, copy, said, item):
    edit(copy / 'iter_2.pth', **{item: OF_THE_MACHINE[item]})
    if TABLE[item].level == 'error':
        with pytest.raises(InputError, match=f'{item}: was '):
            resume(copy)
        return
    resume(copy)
    ((_, line),) = said
    assert f'iter_2.pth: {item}: ' in line


def test_all_levels_are_known():
    assert {row.level for row in TABLE.values()} == {'error', *resume_check_hook.LEVELS}


def test_what_is_kept_is_what_the_next_resumption_compares(data_root, copy, said):
    """The checkpoint's learning rate, schedule and seed are used, so they stay in the record."""
    changes = {
        'resume': True,
        'train_cfg.max_iters': 4,
        'param_scheduler.0.end': 4,
        'optim_wrapper.optimizer': {**SGD, 'lr': 0.2},
        'randomness.seed': 6,
    }
    runner = build(copy, changes)
    runner.train()
    assert runner.optim_wrapper.optimizer.param_groups[0]['initial_lr'] == 0.1
    assert runner.param_schedulers[0].end == 600
    first, second = (torch.load(copy / f'iter_{number}.pth')['meta'] for number in (2, 4))
    assert first['run'] == second['run']
    expected = {**first['fingerprint'], 'length': 4}
    assert second['fingerprint'] == expected


@pytest.mark.parametrize(
    'old',
    [
        None,
        'text',
        [],
        dict(unit={}),
        dict(format=0, unit={}),
        dict(format=1, unit={}, batches=[], augmentation=None),
    ],
    ids=repr,
)
def test_a_fingerprint_from_elsewhere_may_be_anything(data_root, copy, said, old):
    path = copy / 'iter_2.pth'
    checkpoint = torch.load(path, weights_only=True)
    checkpoint['meta'].update(fingerprint=old, run=[1])
    torch.save(checkpoint, path)
    if old and 'augmentation' in old:
        with pytest.raises(InputError, match=r"unit: was {}, is 'iterations' \("):
            resume(copy)
        return
    resume(copy)
    assert [text for _, text in said] == [
        f'{path}: has no fingerprint of this version: only its states are compared'
    ]


def test_the_network_counts_in_any_checkpoint(data_root, copy):
    path = copy / 'iter_2.pth'
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint['meta']['fingerprint']
    torch.save(checkpoint, path)
    with pytest.raises(InputError, match='network: '):
        resume(copy, {'model.decode_head.num_classes': 10})
    checkpoint['state_dict'] = [1, 2]
    torch.save(checkpoint, path)
    with pytest.raises(InputError, match=r'network: \S+ was absent, is \(.* and \d+ more'):
        resume(copy)


def change(path, **parts):
    """Write other parts into a checkpoint, ``None`` for none."""
    checkpoint = {**torch.load(path, weights_only=True), **parts}
    torch.save({key: value for key, value in checkpoint.items() if value is not None}, path)


def test_a_best_checkpoint_has_no_state(data_root, copy, said):
    """mmengine saves it without; it would go on with the schedule's beginning."""
    path = copy / 'iter_2.pth'
    change(path, optimizer=None, param_schedulers=None)
    resume(copy)
    ((_, line),) = said
    assert line == f'{path}: state: was not saved (optimizer and schedules begin anew)'


def test_an_average_may_begin_later(data_root, copy, said):
    checkpoint = torch.load(copy / 'iter_2.pth', weights_only=True)
    checkpoint['meta']['fingerprint']['weight average settings'] = []
    del checkpoint['ema_state_dict']
    torch.save(checkpoint, copy / 'iter_2.pth')
    resume(copy)
    ((_, line),) = said
    assert "weight average settings: 0 was absent, is {'begin_epoch': 0, " in line


@pytest.mark.parametrize(
    'meta', [None, 5, {}, dict(iter=2), dict(iter='2', epoch=0), dict(iter=-1, epoch=0)], ids=repr
)
def test_weights_alone_are_no_training(data_root, copy, meta):
    path = copy / 'iter_2.pth'
    change(path, meta=meta)
    with pytest.raises(InputError, match=rf'it does not say at .*load_from={path} without'):
        resume(copy)


@pytest.mark.parametrize(
    'parts',
    [
        dict(message_hub=None),
        dict(message_hub=5),
        dict(message_hub=dict(log_scalars={}, runtime_info=5, resumed_keys={})),
        dict(param_schedulers=[5]),
        dict(optimizer=dict(state=5, param_groups=[dict(params=[0])] * 75)),
        dict(ema_state_dict=5),
    ],
    ids=['no hub', 'number as hub', 'empty hub', 'schedule', 'optimizer', 'average'],
)
def test_states_that_are_none_are_one_line(data_root, copy, parts):
    path = copy / 'iter_2.pth'
    change(path, **parts)
    reasons = r'cannot be resumed from \(.*\)|message_hub\S* is int; expected a dict'
    with pytest.raises(InputError, match=rf'^{path}: ({reasons})$'):
        build(copy, dict(resume=True)).train()


@pytest.mark.parametrize('state', [5, [], {}, dict(param_groups=[5, {}, dict(params=5)])], ids=repr)
def test_an_optimizer_that_is_none(data_root, copy, state):
    change(copy / 'iter_2.pth', optimizer=state)
    with pytest.raises(InputError, match=r'parameter groups: were \d+ of 0 parameters, are 75 of'):
        resume(copy)


@pytest.mark.parametrize(
    ('runner', 'kind'), [(SegRunner, 'CheckpointHook'), (Runner, 'SafeCheckpointHook')]
)
def test_other_hooks_and_runners(data_root, tmp_path, runner, kind):
    """``SegRunner`` adds the check to mmengine's hook; mmengine's runner has it in our hook."""
    settings = {'default_hooks.checkpoint.type': kind}
    build(tmp_path, settings, runner).train()
    with pytest.raises(InputError, match="optimizer: was 'SGD', is 'Adam'"):
        resume(tmp_path, {**settings, **ERRORS['optimizer'][0]}, runner=runner)


def test_by_epochs(data_root, tmp_path):
    build(tmp_path, EPOCHS).train()
    resume(tmp_path, EPOCHS)
    with pytest.raises(InputError, match="unit: was 'epochs', is 'iterations'"):
        resume(tmp_path)


def last_line(capsys):
    """The last line before the first iteration."""
    lines = capsys.readouterr().out.splitlines()
    first = next(index for index, line in enumerate(lines) if 'Iter(train)' in line)
    return lines[first - 1]


def test_the_last_line_says_where_a_training_begins(data_root, tmp_path, capsys):
    MMLogger._instance_dict.clear()
    build(tmp_path, dict(resume=True)).train()
    begin = f'no checkpoint in {tmp_path}: training begins at iteration 0'
    assert last_line(capsys).endswith(begin)

    longer = {'train_cfg.max_iters': 3, 'default_hooks.checkpoint.interval': 3}
    build(tmp_path, dict(resume=True, **longer, experiment_name='b')).train()
    path = tmp_path / 'iter_2.pth'
    assert last_line(capsys).endswith(f'training goes on from {path}, at iteration 2')

    build(tmp_path, dict(load_from=str(path), experiment_name='c')).train()
    line = last_line(capsys)
    assert 'holds iter_3.pth, iter_2.pth of another training, which this one will replace' in line
    assert line.endswith(f'training begins at iteration 0, with weights of {path}')
    assert Path(path).is_file()
