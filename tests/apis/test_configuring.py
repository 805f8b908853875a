import pytest
from dataset_folders import make_split_folders

import mmseg_eff
from mmseg_eff.errors import InputError
from mmseg_eff.own_data import run


def test_writes_a_config_and_prints_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, 'find_weights', lambda network: ('hub:camvid', []))
    make_split_folders(tmp_path / 'data')
    out = tmp_path / 'my_data.py'
    new = mmseg_eff.init_config(tmp_path / 'data', out, network='accurate', workers=1)
    assert new.path == out and new.load_from == 'hub:camvid'
    assert "load_from = 'hub:camvid'" in out.read_text()
    assert [line.split()[1] for line in new.commands] == ['train', 'predict', 'export']
    assert 'ESPNetv2' in new.network
    assert (new.folder / 'report.json').is_file() and (new.folder / 'contact_sheet.png').is_file()
    assert 'layout' not in capsys.readouterr().out


@pytest.mark.parametrize('arguments', [dict(workers=0), dict(seed=-1)])
def test_wrong_arguments(tmp_path, arguments):
    with pytest.raises(InputError, match=r'must be .* or more'):
        mmseg_eff.init_config(tmp_path, tmp_path / 'c.py', **arguments)
