import importlib
import subprocess
import sys

import pytest

from mmseg_eff.commands._arguments import ToolParser, finite_number, whole_number
from mmseg_eff.errors import InputError

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
NUMBERS = [  # tool, its other arguments, a numeric option
    *(('predict', [LEAF, 'w', 'i', '--out', 'o'], name) for name in ('--opacity', '--tile')),
    ('predict', [LEAF, 'w', 'i', '--out', 'o', '--tile', '64'], '--overlap'),
    *(
        ('pseudo_label', [LEAF, 'w', 'i', '--out', 'o'], name)
        for name in ('--scales', '--confidence', '--class-share', '--overlays')
    ),
    ('class_weights', [LEAF], '--log-offset'),
    ('check_dataset', [LEAF], '--workers'),
    *(('benchmark', [LEAF], name) for name in ('--threads', '--repeats')),
    ('export', [LEAF, 'w', '--out', 'o', '--backend', 'onnx'], '--max-drop'),
    ('export', [LEAF, 'w', '--out', 'o', '--backend', 'onnx'], '--threads'),
    ('convert_labels', ['coco', 'a', 'b'], '--min-size'),
    ('demo', [], '--iters'),
    ('test', [LEAF, 'w'], '--output-stride'),
]


@pytest.mark.parametrize('value', ['nan', 'inf', '-inf', 'much'])
@pytest.mark.parametrize(('tool', 'arguments', 'option'), NUMBERS)
def test_numbers_are_finite(capsys, tool, arguments, option, value):
    main = importlib.import_module(f'mmseg_eff.commands.{tool}').main
    assert main([*arguments, f'{option}={value}']) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {option} must be ') and error.count('\n') == 1
    assert f"got '{value}'" in error


@pytest.mark.parametrize('option', ['w1=nan', 'sigma_beta=inf'])
def test_numbers_of_the_crf_are_finite(capsys, option):
    main = importlib.import_module('mmseg_eff.commands.predict').main
    assert main([LEAF, 'w', 'i', '--out', 'o', '--crf-options', option]) == 1
    assert capsys.readouterr().err.startswith('error: --crf-options ')


@pytest.mark.parametrize('value', ['gpu', 'cuda:99', 'cpu:x'])
def test_devices_exist(capsys, value):
    main = importlib.import_module('mmseg_eff.commands.predict').main
    assert main([LEAF, 'w', 'i', '--out', 'o', '--device', value]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: --device must be a device such as cpu, got '{value}'")
    assert error.count('\n') == 1


@pytest.mark.parametrize(
    ('tool', 'arguments'),
    [
        ('predict', [LEAF, 'hub:none', 'i', '--out', 'o']),
        ('test', [LEAF, 'hub:none']),
        ('export', [LEAF, 'hub:none', '--out', 'o']),
        ('pseudo_label', [LEAF, 'hub:none', 'i', '--out', 'o']),
        ('benchmark', [LEAF, '--checkpoints', 'hub:none']),
    ],
)
def test_published_weights_exist(capsys, tool, arguments):
    main = importlib.import_module(f'mmseg_eff.commands.{tool}').main
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert 'must be a file or published weights: none: no published weights of this name' in error
    assert error.count('\n') == 1


def test_numbers_are_read():
    parser = ToolParser()
    parser.add_argument('-n', '--number', type=finite_number)
    parser.add_argument('--count', type=whole_number(1))
    args = parser.parse_args(['-n', '1e-3', '--count', '7'])
    assert (args.number, args.count) == (1e-3, 7)
    with pytest.raises(InputError, match=r'^--number must be a finite number, got .x'):
        parser.parse_args(['-n', 'x'])
    with pytest.raises(InputError, match=r'^--count must be 1 or more, got 0$'):
        parser.parse_args(['--count', '0'])


def test_usage_is_argparses(capsys):
    with pytest.raises(SystemExit, match='2'):
        ToolParser().parse_args(['--unknown'])
    assert 'usage: ' in capsys.readouterr().err


def test_a_process_of_its_own_finds_published_weights():
    """mmseg is imported while the arguments are read; without compiled mmcv this fails."""
    command = [sys.executable, '-m', 'mmseg_eff', 'test', LEAF, 'hub:none']
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stderr.startswith('error: CHECKPOINT must be a file or published weights: none')
    assert process.stderr.count('\n') == 1
