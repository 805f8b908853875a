import json
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import read_image
from in_process import replace_workers

from mmseg_eff.benchmarking.report import HEADER, STAGES
from mmseg_eff.benchmarking.run import PEERS
from mmseg_eff.commands import benchmark as module
from mmseg_eff.commands.benchmark import main

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
NAME = CONFIG.rpartition('/')[2].removesuffix('.py')
TINY = ['--cfg-options', 'model.backbone.num_blocks=(1,1)']
ARGV = [CONFIG, '--size', '32', '64', '--threads', '1', '--repeats', '2', *TINY]


@pytest.fixture
def memory(monkeypatch):
    """Stands in for the processes; what they were asked for."""
    return replace_workers(monkeypatch)


def test_names_of_the_peers():
    assert (*PEERS,) == module.PEERS


def test_table_json_and_picture(tmp_path, memory, capsys):
    outputs = ['--json', str(tmp_path / 'a.json'), '--plot', str(tmp_path / 'a.png')]
    assert main([*ARGV, '--markdown', '--miou', f'{NAME}=61.5', *outputs]) == 0
    conditions, _, head, rule, row = capsys.readouterr().out.splitlines()
    assert conditions.startswith('1 threads, 2 repeats, load average ')
    assert head == f'| {" | ".join(HEADER)} |' and rule.count('|') == head.count('|')
    report = json.loads((tmp_path / 'a.json').read_text())
    assert report['threads'] == 1
    (network,) = report['networks']
    assert [tuple(lap) for lap in network['laps']] == [STAGES] * 2
    assert (network['name'], network['miou'], network['memory']) == (NAME, 61.5, 123.4)
    assert network['input_shape'] == [32, 64] and 0 < network['parameters'] < network['macs']
    assert row.split(' | ')[2:5] == [
        f'{network["parameters"] / 1e6:.3f}',
        f'{network["macs"] / 1e9:.2f}',
        '123',
    ]
    assert len(np.unique(read_image(tmp_path / 'a.png').reshape(-1, 3), axis=0)) > 10
    ((candidate, threads, keep_size),) = memory
    assert (candidate.name, threads, keep_size) == (NAME, 1, True)


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['none.py'], 'none.py: no such config file'),
        ([CONFIG, '--size', '0', '8'], 'size must be two whole numbers'),
        ([CONFIG, '--repeats', '0'], '--repeats must be 1 or more, got 0'),
        ([CONFIG, '--threads', '-1'], '--threads must be 1 or more, got -1'),
        ([CONFIG, CONFIG], 'two of the networks have the same name'),
        ([CONFIG, '--checkpoints', 'a', 'b'], '--checkpoints needs one for each of the 1 configs'),
        ([CONFIG, '--miou', 'half'], "--miou takes name=value, got 'half'"),
        ([CONFIG, '--miou', 'other=50'], "--miou: no network 'other'; there are espnet-p2q3"),
        ([CONFIG, '--image', 'none.png'], 'none.png: no such image file'),
        ([*ARGV, '--plot', 'a.png'], '--plot needs the --miou of one network at least'),
    ],
)
def test_wrong_input_is_one_line(memory, capsys, argv, message):
    assert main(argv) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {message}') and error.count('\n') == 1


def test_safe_config_is_kept(memory, tmp_path, capsys):
    path = tmp_path / 'config.py'
    path.write_text(f"_base_ = '{CONFIG}'\nimport os\n")
    argv = [str(path), *ARGV[1:]]
    assert main(argv) == 0
    assert main([*argv, '--safe-config']) == 1
    assert str(path) in capsys.readouterr().err


@pytest.mark.slow
def test_peers_and_memory(tmp_path):
    path = tmp_path / 'a.json'
    assert main([*ARGV, '--peers', '--json', str(path)]) == 0
    _, *peers = (SimpleNamespace(**n) for n in json.loads(path.read_text())['networks'])
    assert [peer.name for peer in peers] == list(PEERS)
    for peer in peers:
        assert peer.input_shape == [32, 64] and peer.miou > 70
        assert peer.memory > peer.parameters * 4 / 1e6  # its weights at least


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--plot', 'a.png'], '--plot needs the --miou of one network at least'),
        (['--plot', 'folder', '--miou', 'NAME=50'], 'folder: cannot be written'),
        (['--json', 'file/a.json'], 'file/a.json: cannot be written'),
    ],
)
def test_outputs_are_checked_before_measuring(tmp_path, monkeypatch, capsys, argv, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file').write_text('x')
    monkeypatch.setattr('mmseg_eff.apis.measuring.measure', None)  # would be called
    assert main([*ARGV, *(item.replace('NAME', NAME) for item in argv)]) == 1
    assert capsys.readouterr().err == f'error: {message}\n'


@pytest.mark.parametrize('value', ['nan', 'inf', 'x'])
def test_miou_is_finite(capsys, value):
    assert main([*ARGV, '--miou', f'{NAME}={value}']) == 1
    assert capsys.readouterr().err == f"error: --miou takes name=value, got '{NAME}={value}'\n"
