import json

import pytest

from mmseg_eff.converters import CONVERTERS
from mmseg_eff.errors import InputError
from mmseg_eff.hub import find, published, weights_of
from mmseg_eff.utils.atomic_io import sha256_of


def test_rows_are_complete(root):
    rows = published().values()
    assert len({row.file for row in rows}) == len(rows) >= 35
    assert sum(row.config is not None and row.converter is not None for row in rows) == 23
    for row in rows:
        assert row.converter in CONVERTERS or row.url.startswith('package:')
        assert row.url.startswith(('https://', 'pypi:', 'package:'))
        assert row.sha256 is None or len(row.sha256) in (8, 64)
        assert row.config is None or (root / f'configs/{row.config}.py').is_file()
        assert (row.miou is None) == (row.protocol is None)


def test_official_files_are_those_of_the_index(shared):
    listed = json.loads((shared / 'checkpoints/checkpoints.json').read_text())
    by_hash = {row.sha256: row for row in published().values() if row.config and row.converter}
    assert {row['sha256'] for row in listed} == by_hash.keys()
    for row in listed:
        file = shared / 'checkpoints' / by_hash[row['sha256']].file
        assert sha256_of(file) == row['sha256']
        assert by_hash[row['sha256']].size == row['size'] == file.stat().st_size
        assert by_hash[row['sha256']].url.endswith(row['path'].partition('/')[2])


def test_unknown_name_gets_the_nearest():
    assert find('hub:espnet-p2q8_camvid') is find('espnet-p2q8_camvid')
    with pytest.raises(InputError, match=r'espnet-p2q8_camvd: .* did you mean espnet-p2q8_camvid'):
        find('espnet-p2q8_camvd')


def test_weights_of_a_config():
    (row,) = weights_of('espnet/espnet-p2q8_1xb8-69k_camvid-360x480.py')
    assert row.name == 'espnet-p2q8_camvid'
    assert weights_of('espnet/other.py') == []
