import os
import re
import sys
from pathlib import Path

import pytest
from helpers import parsed
from mmengine.config import Config
from mmseg.registry import MODELS, TRANSFORMS

from mmseg_eff.commands._cli import (
    CRF_KEYS,
    add_config_arguments,
    add_output_stride,
    read_config_of,
    tool,
)
from mmseg_eff.errors import InputError
from mmseg_eff.inference.dense_crf import crf_parameters
from mmseg_eff.utils.user_errors import on_interrupt, one_line

LEAF = 'espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'


def parse(*argv):
    return parsed(argv)


def test_config_by_path_and_by_package(tmp_path, monkeypatch, root):
    by_path = read_config_of(parse(str(root / 'configs' / LEAF)))
    monkeypatch.chdir(tmp_path)
    by_package = read_config_of(parse(f'mmseg_eff::{LEAF}'))
    assert by_path.model == by_package.model


def test_options_override(root):
    path = str(root / 'configs' / LEAF)
    options = ['model.backbone.num_blocks=(2,5)', 'randomness.seed=1']
    config = read_config_of(parse(path, '--cfg-options', *options))
    assert config.model.backbone.num_blocks == (2, 5)
    assert config.randomness.seed == 1


def test_safe_config_on_request(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('a = max(2, 3)')
    assert read_config_of(parse(str(path))).a == 3
    with pytest.raises(InputError, match=r'config\.py:1: .*not allowed in a safe config'):
        read_config_of(parse(str(path), '--safe-config'))
    path.write_text('model = dict(b=1)')
    config = read_config_of(parse(str(path), '--safe-config', '--cfg-options', 'model.b=4'))
    assert config.model.b == 4


def test_missing_config():
    with pytest.raises(InputError, match=r'none\.py: no such config file'):
        read_config_of(parse('none.py'))


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (InputError('a.png: bad'), 'a.png: bad'),
        (
            FileNotFoundError(2, 'No such file or directory', 'x/y'),
            'x/y: No such file or directory',
        ),
        (ValueError(), 'ValueError'),
        (KeyError('Net is not in the registry.\nPlease check'), 'Please check'),
        (
            InputError(
                'Caught InputError in DataLoader worker process 1.\nOriginal Traceback\n  File …\n'
                'mmseg_eff.errors.InputError: b.png: label value 9 out of range: …\n'
            ),
            'b.png: label value 9 out of range: …',
        ),
    ],
)
def test_one_line(error, line):
    assert one_line(error) == line


def test_wrong_input_is_one_line_and_a_status(capsys):
    @tool
    def main(argv=None):
        raise InputError('a.png: bad')

    assert main([]) == 1
    assert capsys.readouterr().err == 'error: a.png: bad\n'


def test_traceback_on_request(monkeypatch):
    @tool
    def main(argv=None):
        raise ValueError('no')

    monkeypatch.setenv('MMSEG_EFF_TRACEBACK', '1')
    with pytest.raises(ValueError, match='no'):
        main([])


@pytest.mark.parametrize(
    'fault', [ZeroDivisionError, AttributeError, TypeError, KeyError, RuntimeError, AssertionError]
)
def test_faults_keep_their_traceback(fault):
    @tool
    def main(argv=None):
        raise fault('x')

    with pytest.raises(fault):
        main([])


def test_a_constructor_given_wrong_types_is_one_line_and_a_traceback_on_request(
    monkeypatch, capsys
):
    @tool
    def main(argv=None):
        MODELS.build(dict(type='ESPNet', in_channels='three'))

    assert main([]) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(
        r'error: ESPNet: \w+Error: .* \[MMSEG_EFF_TRACEBACK=1 shows more\]\n', error
    )
    monkeypatch.setenv('MMSEG_EFF_TRACEBACK', '1')
    with pytest.raises(TypeError):
        main([])


@pytest.mark.parametrize(
    ('part', 'line'),
    [
        (dict(type='ESPNett'), 'ESPNett is not in the mmseg::model registry; did you mean ESPNet?'),
        (dict(type='Qqqqqqqqq'), 'Qqqqqqqqq is not in the mmseg::model registry'),
        (dict(type='ESPNet', depth=3), "__init__() got an unexpected keyword argument 'depth'"),
        (dict(type='FCNHead'), 'FCNHead: BaseDecodeHead.__init__() missing 2 required positional'),
        (dict(type='ESPNet', arch='D'), "arch must be one of ['A', 'B', 'C'], got 'D'"),
        (dict(type='ResNet', depth=17), 'ResNet: invalid depth 17 for resnet'),
        (dict(type='ResNet', depth=18, num_stages=9), 'ResNet: assert num_stages >= 1 and num_sta'),
        (dict(arch='B'), 'must contain the key "type"'),
    ],
)
def test_what_cannot_be_built_is_one_line(capsys, part, line):
    @tool
    def main(argv=None):
        MODELS.build(part)

    assert main([]) == 1
    error = capsys.readouterr().err
    assert line in error and error.startswith('error: ') and error.count('\n') == 1


def test_a_value_that_fails_in_mmseg_is_one_line_that_says_where(capsys):
    @tool
    def main(argv=None):
        TRANSFORMS.build(dict(type='RandomCrop', crop_size=(4, 4)))({})

    assert main([]) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(r'error: \w+Error: .*, in mmseg\.\S+ \[MMSEG_EFF_TRACEBACK=1 .*\]\n', error)


def test_a_missing_section_is_one_line(capsys):
    @tool
    def main(argv=None):
        return Config(dict(a=1)).train_dataloader

    assert main([]) == 1
    assert capsys.readouterr().err.startswith('error: the config has no train_dataloader')


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (OSError(28, 'No space left on device'), 'a file: cannot be written (No space left on dev'),
        (PermissionError(13, 'Permission denied', 'x/y'), 'x/y: Permission denied'),
        (OSError('cannot identify image file'), 'cannot identify image file'),
    ],
)
def test_errors_of_files_name_the_reason(capsys, error, line):
    @tool
    def main(argv=None):
        raise error

    assert main([]) == 1
    assert capsys.readouterr().err.startswith(f'error: {line}')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a = b', "NameError: name 'b' is not defined"),
        ('a = (', r"SyntaxError: '.' was never closed .line 1."),
        ("a = {}['x']", 'KeyError: x'),
        ("custom_imports = dict(imports=['no_such_module'])", 'No module named .no_such_module'),
    ],
)
def test_a_wrong_config_is_named(tmp_path, text, message):
    path = tmp_path / 'config.py'
    path.write_text(text)
    with pytest.raises(InputError, match=rf'^{path}: .*{message}'):
        read_config_of(parse(str(path)))


@pytest.mark.parametrize(
    ('open_output', 'reason'),
    [
        pytest.param(Path('/dev/full').open, 'No space left on device', id='full disk'),
        pytest.param(lambda _mode: open_unread_pipe(), 'Broken pipe', id='nobody reads'),
    ],
)
def test_an_output_that_cannot_be_written(monkeypatch, capsys, open_output, reason):
    @tool
    def main(argv=None):
        print('x' * 10**5)

    with open_output('w') as output:
        monkeypatch.setattr(sys, 'stdout', output)
        assert main([]) == 1
    line = f'error: standard output: cannot be written ({reason})\n'
    assert capsys.readouterr().err == line


def open_unread_pipe():
    read, write = os.pipe()
    os.close(read)
    return open(write, 'w')


def test_interrupt_says_what_is_kept(capsys):
    @tool
    def main(argv=None):
        with on_interrupt('a.pth is kept; go on with --resume'):
            raise KeyboardInterrupt

    assert main([]) == 130
    assert capsys.readouterr().err == 'interrupted: a.pth is kept; go on with --resume\n'


def test_interrupt_elsewhere(capsys):
    @tool
    def main(argv=None):
        raise KeyboardInterrupt

    assert main([]) == 130
    line = 'interrupted: nothing was written; start the command again\n'
    assert capsys.readouterr().err == line


def test_option_reaches_the_config(tmp_path):
    backbone = dict(type='AtrousMobileNetV2')
    head = dict(type='DeepLabV3Head', in_channels=320, num_classes=4)
    config = Config(dict(model=dict(type='EncoderDecoder', backbone=backbone, decode_head=head)))
    config.dump(tmp_path / 'config.py')
    for argv, expected in (([], None), (['--output-stride', '8'], 8)):
        argv = [str(tmp_path / 'config.py'), *argv]
        config = read_config_of(parsed(argv, add_config_arguments, add_output_stride))
        assert config.model.backbone.get('output_stride') == expected
        assert config.model.decode_head.get('output_stride') == expected


def test_keys_of_the_crf_are_its_arguments():
    assert [*CRF_KEYS] == crf_parameters()
