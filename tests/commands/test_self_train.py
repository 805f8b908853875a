"""``tools/self_train.py``: its stages with a stand-in for the tools, and once with the tools."""

import copy
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers import TINY, parsed
from mmengine.config import Config

from mmseg_eff.commands._cli import read_config_of
from mmseg_eff.commands.self_train import main
from mmseg_eff.self_training import pipeline as chain
from mmseg_eff.self_training.pipeline import start
from mmseg_eff.utils.signals import Terminated, stopping_in_order

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
LABELS = 'anywhere/labels'
STAGES = ['1_finetune', '2_pseudo_label', '3_self_train']
SCORES = {'0_pretrain': (5, 7), '1_finetune': (40, 50), '3_self_train': (60, 55)}
SCORES['5_self_train'] = (58, 62)


@pytest.fixture
def configs(tmp_path):
    """As much of the configs of a teacher and a student as the chain reads."""
    teacher = Config(dict(train_cfg=dict(max_iters=2), train_dataloader=dict(dataset=dict())))
    student = copy.deepcopy(teacher)
    student.pseudo_labels = LABELS
    other = dict(type='ToyStreetDataset', data_prefix=dict(img_path='i', seg_map_path=LABELS))
    labelled = dict(type='ToyStreetDataset')
    student.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[labelled, other])
    return dump(tmp_path, teacher, student)


def dump(folder, teacher, student):
    teacher.dump(folder / 'teacher.py')
    student.dump(folder / 'student.py')
    return [str(folder / 'teacher.py'), str(folder / 'student.py')]


class Tools:
    """Stands for the processes: keeps their arguments and writes what the chain reads.

    Attributes:
        fail: Exit status by stage.
        interrupt: Stage in which the user interrupts the chain, when it has a checkpoint.
    """

    def __init__(self):
        self.fail, self.interrupt = {}, None
        self.forget()

    def forget(self):
        self.launched, self.commands = [], {}

    def __call__(self, command):
        place = next(i for i, word in enumerate(command) if word.endswith('.py'))
        tool, arguments = Path(command[place]), command[place + 1 :]
        assert tool.is_file()
        is_training = tool.name == 'train.py'
        out = Path(arguments[arguments.index('--work-dir' if is_training else '--out') + 1])
        self.launched.append(command[:place])
        self.commands[out.name] = arguments
        if out.name in self.fail:
            return self.fail[out.name]
        (self.write_training if is_training else self.write_labels)(out)
        if out.name == self.interrupt:
            raise KeyboardInterrupt
        return 0

    def write_labels(self, out):
        out.mkdir(exist_ok=True)
        (out / 'report.json').write_text(json.dumps(dict(kept=0.75)))

    def write_training(self, out):
        """Two validations, the second of them in another run of the same training."""
        for run, miou in enumerate(SCORES[out.name]):
            folder = out / f'{run}/vis_data'
            folder.mkdir(parents=True, exist_ok=True)
            step = 10 * (run + 1)
            lines = [dict(loss=1.5, step=step - 5), dict(mIoU=miou, step=step)]
            (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
        (out / 'last_checkpoint').write_text(str(out / 'iter_20.pth'))
        (out / 'best_mIoU_iter_10.pth').touch()


@pytest.fixture
def tools(monkeypatch):
    tools = Tools()
    monkeypatch.setattr(chain, 'start', tools)
    return tools


@pytest.fixture
def run(configs, tmp_path):
    def run(*options):
        return main([*configs, '--work-dir', str(tmp_path / 'chain'), *options])

    return run


def after(arguments, option):
    return arguments[arguments.index(option) + 1]


def test_a_chain_of_two_rounds(run, tools, configs, tmp_path):
    """What each stage is given, and that it is not run again."""
    options = ['--pretrain', configs[0], '--rounds', '2', '--pseudo-options', '--confidence', '0.7']
    assert run(*options) == 0
    chain, given = tmp_path / 'chain', tools.commands
    assert list(given) == ['0_pretrain', *STAGES, '4_pseudo_label', '5_self_train']
    for stage in ('0_pretrain', '1_finetune', '3_self_train', '5_self_train'):
        assert given[stage][:2] == [f'{chain}/{stage}.py', '--work-dir']
        begins = None if stage == '0_pretrain' else f'{chain}/0_pretrain/iter_20.pth'
        assert Config.fromfile(chain / f'{stage}.py').get('load_from') == begins
    for labels, teacher, student in (
        ('2_pseudo_label', '1_finetune', '3_self_train'),
        ('4_pseudo_label', '3_self_train', '5_self_train'),
    ):
        arguments = given[labels]
        assert arguments[:2] == [f'{chain}/{teacher}.py', f'{chain}/{teacher}/iter_20.pth']
        assert after(arguments, '--images-of') == f'{chain}/{student}.py'
        assert after(arguments, '--confidence') == '0.7'
        config = Config.fromfile(chain / f'{student}.py')
        labelled, other = config.train_dataloader.dataset.datasets
        assert other.data_prefix.seg_map_path == f'{chain}/{labels}/labels' == config.pseudo_labels
        assert 'data_prefix' not in labelled
    tools.forget()
    assert run(*options) == 0
    assert not tools.commands


def test_students_start_from_their_teachers(run, tools, tmp_path):
    assert run('--rounds', '2', '--from-teacher') == 0
    chain = tmp_path / 'chain'
    assert Config.fromfile(chain / '1_finetune.py').get('load_from') is None
    for teacher, student in (('1_finetune', '3_self_train'), ('3_self_train', '5_self_train')):
        begins = Config.fromfile(chain / f'{student}.py').load_from
        assert begins == f'{chain}/{teacher}/iter_20.pth'
    tools.forget()
    assert run('--rounds', '2', '--from-teacher') == 0
    assert not tools.commands


def test_summary(run, tools, tmp_path, capsys):
    assert run('--rounds', '2') == 0
    assert f'{tmp_path}/chain/summary.md' in capsys.readouterr().out
    first, labels, student, _, last = json.loads((tmp_path / 'chain/summary.json').read_text())
    assert (first['stage'], first['config'], first['iters']) == ('1_finetune', 'teacher', 20)
    assert (first['mIoU'], first['best'], first['gain']) == (50, 50, None)
    assert (labels['kept'], labels['mIoU'], labels['config']) == (0.75, None, None)
    assert (student['mIoU'], student['best'], student['gain']) == (55, 60, 5)
    assert (last['config'], last['gain']) == ('student', 12)
    table = (tmp_path / 'chain/summary.md').read_text().splitlines()
    assert re.match(r'\| 3_self_train \| student \| 20 \| 0\.0 \| .* \| \+5\.00 \| – \|$', table[4])
    assert len(table) == 7


def test_best_checkpoint_is_taken_where_there_is_one(run, tools, tmp_path):
    assert run('--best') == 0
    folder = tmp_path / 'chain'
    best = folder / '1_finetune/best_mIoU_iter_10.pth'
    assert tools.commands['2_pseudo_label'][1] == str(best)
    gains = [row['gain'] for row in json.loads((folder / 'summary.json').read_text())]
    assert gains == [None, None, 10]
    best.unlink()
    state = json.loads((folder / 'state.json').read_text())
    state['stages']['2_pseudo_label']['finished'] = False
    (folder / 'state.json').write_text(json.dumps(state))
    assert run('--best') == 0
    assert tools.commands['2_pseudo_label'][1] == f'{folder}/1_finetune/iter_20.pth'


@pytest.mark.parametrize('stage', STAGES)
def test_a_stage_that_failed_is_the_first_of_the_next_run(run, tools, capsys, stage):
    tools.fail[stage] = 3
    assert run() == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and re.match(rf'error: {stage}: tools/\w+\.py ended with .*3', lines[0])
    assert list(tools.commands) == STAGES[: STAGES.index(stage) + 1]
    tools.fail.clear()
    tools.forget()
    assert run() == 0
    assert list(tools.commands) == STAGES[STAGES.index(stage) :]


def test_an_interrupted_training_resumes(run, tools, configs, tmp_path, capsys):
    tools.interrupt = '3_self_train'
    capsys.readouterr()
    assert run('--pretrain', configs[0]) == 130
    kept = f'interrupted: what is finished is kept in {tmp_path}/chain; the same command goes on\n'
    assert capsys.readouterr().err == kept
    state = json.loads((tmp_path / 'chain/state.json').read_text())['stages']
    assert [name for name, stage in state.items() if not stage['finished']] == ['3_self_train']
    tools.interrupt = None
    tools.forget()
    assert run('--pretrain', configs[0]) == 0
    (arguments,) = tools.commands.values()
    assert '--resume' in arguments
    again = json.loads((tmp_path / 'chain/state.json').read_text())['stages']
    assert again['3_self_train']['seconds'] > state['3_self_train']['seconds'] > 0
    assert again['1_finetune'] == state['1_finetune']


def test_more_rounds_go_on_from_the_first(run, tools, tmp_path):
    assert run() == 0
    tools.forget()
    assert run('--rounds', '2') == 0
    assert list(tools.commands) == ['4_pseudo_label', '5_self_train']
    assert run() == 0  # shows its round alone
    rows = json.loads((tmp_path / 'chain/summary.json').read_text())
    assert [row['stage'] for row in rows] == STAGES


def test_several_processes_are_started_by_torchrun(run, tools):
    assert run('--processes', '2', '--safe-config') == 0
    assert len(tools.launched) == 3
    for launch in tools.launched:
        assert launch[1:3] == ['-m', 'torch.distributed.run'] and launch[-1] == '2'
    for arguments in tools.commands.values():
        assert after(arguments, '--launcher') == 'pytorch' and '--safe-config' in arguments


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (['--processes', '2'], r'state\.json: the chain began with processes=1, now it is 2'),
        (['--best'], 'began with best=False, now it is True'),
        (['--from-teacher'], 'began with from_teacher=None, now it is True'),
        (['--pretrain', CONFIG], 'began with pretrain=False, now it is True'),
        (['--pseudo-options', '--no-flip'], "pseudo_options='', now it is '--no-flip'"),
        (
            ['--cfg-options', 'train_cfg.max_iters=7'],
            r'1_finetune\.py: the chain began with train_cfg\.max_iters=2, now it is 7',
        ),
    ],
)
def test_other_settings_than_before_are_named(run, tools, capsys, options, expected):
    assert run() == 0
    tools.forget()
    capsys.readouterr()
    assert run(*options) == 1
    assert re.fullmatch(rf'error: .*{expected}.*; choose another work dir\n', error(capsys))
    assert not tools.commands


def error(capsys):
    return capsys.readouterr().err


@pytest.mark.parametrize(
    'text',
    [
        'open("ran", "w")',
        '{config}\nopen("ran", "w")',
        'import evil\n{config}',
        '{config}\na = [x for x in ().__class__.__base__.__subclasses__()]',
        'custom_imports = dict(imports=["evil"])',
        '_base_ = "evil.py"',
        '(' * 9999,
    ],
)
def test_a_config_found_in_the_work_dir_is_not_run(run, tools, tmp_path, monkeypatch, capsys, text):
    """It is compared as data with the one that would be written."""
    assert run() == 0
    (tmp_path / 'chain/state.json').unlink()
    capsys.readouterr()
    tools.forget()
    path = tmp_path / 'chain/1_finetune.py'
    path.write_text(text.replace('{config}', path.read_text()))
    path.with_name('evil.py').write_text('open("ran", "w")')
    monkeypatch.syspath_prepend(str(path.parent))
    monkeypatch.chdir(tmp_path)
    assert run() == 1
    assert not Path('ran').exists() and not tools.commands
    assert re.fullmatch(rf'error: {tmp_path}/chain/.*\n', error(capsys))


@pytest.mark.parametrize(
    'text',
    ['[]', '{}', '', '[' * 9999, '{"options": {}, "stages": []}', '{"options": 1}', '\udcff'],
)
def test_a_damaged_state_is_one_line(run, tools, tmp_path, capsys, text):
    path = tmp_path / 'chain/state.json'
    path.parent.mkdir()
    path.write_text(text, errors='surrogateescape')
    assert run() == 1
    line = error(capsys)
    assert line.startswith(f'error: {path}: ') and line.count('\n') == 1
    assert re.search('is empty|not JSON|expected JSON of type dict|no state of a chain', line)


@pytest.mark.parametrize('options', [['--rounds', '0'], ['--processes', '-1']])
def test_counts_begin_at_1(run, tools, capsys, options):
    assert run(*options) == 1
    assert error(capsys) == f'error: {options[0]} must be 1 or more, got {options[1]}\n'


def no_variable(config):
    config.pop('pseudo_labels')


def other_folder(config):
    config.train_dataloader.dataset.datasets[1].data_prefix.seg_map_path = 'elsewhere/labels'


def single_dataset(config):
    config.train_dataloader.dataset = config.train_dataloader.dataset.datasets[0]


@pytest.mark.parametrize('change', [no_variable, other_folder, single_dataset])
def test_a_student_needs_pseudo_labels(tools, configs, tmp_path, capsys, change):
    config = Config.fromfile(configs[1])
    change(config)
    config.dump(tmp_path / 'student.py')
    argv = [configs[0], str(tmp_path / 'student.py'), '--work-dir', str(tmp_path / 'chain')]
    assert main(argv) == 1
    assert re.fullmatch(r'error: .*/student\.py: expected a variable pseudo_.*\n', error(capsys))
    assert not (tmp_path / 'chain').exists()


def test_a_training_must_save_a_checkpoint(run, tools, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tools, 'write_training', lambda out: None)
    assert run() == 1
    assert error(capsys) == (
        f'error: {tmp_path}/chain/1_finetune: the training has saved no checkpoint\n'
    )


def test_start_tells_the_exit_status():
    assert start([sys.executable, '-c', 'raise SystemExit(3)']) == 3


def test_what_ends_the_chain_ends_the_stage():
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
    begin = time.perf_counter()
    with stopping_in_order(), pytest.raises(Terminated):
        timer.start()
        start([sys.executable, '-c', 'import time; time.sleep(30)'])
    assert time.perf_counter() - begin < 5
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.slow
def test_the_tools_themselves(toy_root, tmp_path):
    """Labels of half the images by a teacher trained on the other half; all pixels are kept."""
    teacher = read_config_of(parsed([CONFIG, '--cfg-options', *TINY]))
    for loader in (teacher.train_dataloader, teacher.val_dataloader):
        loader.dataset.data_root = f'{toy_root}/toystreet'
    labelled = teacher.train_dataloader.dataset
    labelled.indices = [0, 1]
    prefix = dict(img_path=f'{toy_root}/toystreet/images/train', seg_map_path=LABELS)
    other = dict(labelled, data_root=None, data_prefix=prefix, indices=[2, 3])
    student = copy.deepcopy(teacher)
    student.pseudo_labels = LABELS
    student.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[labelled, other])
    sampler = dict(type='MultiSourceSampler', batch_size=2, source_ratio=[1, 1])
    student.train_dataloader.sampler = sampler
    chain = tmp_path / 'chain'
    few = ['--pseudo-options', '--overlays', '1', '--confidence', '0', '--scales', '1']
    configs = dump(tmp_path, teacher, student)
    assert main([*configs, '--work-dir', str(chain), *few]) == 0

    names = [path.name for path in sorted((chain / '2_pseudo_label/labels').rglob('*.png'))]
    assert names == ['0002.png', '0003.png']
    first, labels, second = json.loads((chain / 'summary.json').read_text())
    assert labels['kept'] == 1
    assert first['iters'] == second['iters'] == 2
    assert 0 < first['mIoU'] < 100
    assert second['gain'] == pytest.approx(second['mIoU'] - first['mIoU'])
    assert all(row['CPU min'] > 0 for row in (first, labels, second))
    (record,) = json.loads((chain / '3_self_train/run_record.json').read_text())
    assert record['data']['samples'] == 4
