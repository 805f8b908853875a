import pytest

from mmseg_eff.apis.cli import config_parser, load_config, one_line, tool
from mmseg_eff.errors import InputError

LEAF = 'espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'


def parse(*argv):
    return config_parser('test').parse_args(argv)


def test_config_by_path_and_by_package(tmp_path, monkeypatch, root):
    by_path = load_config(parse(str(root / 'configs' / LEAF)))
    monkeypatch.chdir(tmp_path)
    by_package = load_config(parse(f'mmseg_eff::{LEAF}'))
    assert by_path.model == by_package.model


def test_options_override(root):
    path = str(root / 'configs' / LEAF)
    config = load_config(parse(path, '--cfg-options', 'model.backbone.num_blocks=(2,5)', 'a.b=1'))
    assert config.model.backbone.num_blocks == (2, 5)
    assert config.a.b == 1


def test_missing_config():
    with pytest.raises(InputError, match=r'none\.py: no such config file'):
        load_config(parse('none.py'))


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


def test_bugs_keep_their_traceback():
    @tool
    def main(argv=None):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main([])
