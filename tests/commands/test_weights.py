import pytest

from mmseg_eff.commands.weights import main
from mmseg_eff.hub.cache import VARIABLE
from mmseg_eff.hub.download import MIRROR

NAME = 'espnet-p2q8_camvid'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and no network: the mirror is a folder that does not exist."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(MIRROR, str(tmp_path / 'nothing here'))
    return tmp_path / 'cache'


def test_list_by_part_of_the_name(capsys):
    assert main(['list', 'camvid']) == 0
    listed = capsys.readouterr().out
    assert NAME in listed and 'cityscapes' not in listed


def test_get_and_where(shared, monkeypatch, cache, capsys):
    monkeypatch.setenv(MIRROR, str(shared / 'checkpoints'))
    assert main(['where', NAME]) == 0
    assert f'{NAME}: not in the cache; would be {cache}' in capsys.readouterr().out
    assert main(['get', NAME]) == 0
    got = capsys.readouterr().out
    assert 'for mmseg_eff::espnet/espnet-p2q8_1xb8-69k_camvid-360x480.py' in got
    assert main(['where', NAME]) == 0
    assert capsys.readouterr().out == got


def test_errors_are_one_line(capsys):
    assert main(['get', 'espnet-p2q8_camvd']) == 1
    assert f'did you mean {NAME}' in capsys.readouterr().err
    assert main(['get', NAME]) == 1
    assert capsys.readouterr().err.startswith(f'error: {NAME}: cannot be fetched from ')
