import json
import os

import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.utils.json_files import read_json


def test_content(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('{"a": [1]}')
    assert read_json(path) == {'a': [1]}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        pytest.param('', 'is empty', id='empty'),
        pytest.param('[]', 'expected JSON of type dict, got list', id='list'),
        pytest.param('null', 'expected JSON of type dict, got NoneType', id='null'),
        pytest.param('{"a": ', 'not JSON', id='cut'),
        pytest.param('[' * 10**6, 'not JSON', id='deep lists'),
        pytest.param('{"a":' * 10**5, 'not JSON', id='deep dicts'),
        pytest.param('{"a": ' + '9' * 5000 + '}', 'not JSON', id='number of 5000 digits'),
        pytest.param('\x00\x01', 'not JSON', id='binary'),
        pytest.param(json.dumps(['a' * 10**6] * 70), 'has 70 MB; at most 64', id='70 MB'),
    ],
)
def test_other_files_are_one_line(tmp_path, text, message):
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(InputError, match=rf'^{path}: {message}') as error:
        read_json(path)
    assert '\n' not in str(error.value)


def test_no_files(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    for path in (tmp_path / 'pipe', tmp_path, tmp_path / 'none', '/dev/zero'):
        with pytest.raises(InputError):
            read_json(path)
