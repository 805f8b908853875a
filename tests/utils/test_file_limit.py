import os

import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.utils.file_limit import VARIABLE, check_file, check_local_file


def test_a_file_of_the_largest_size(tmp_path, monkeypatch):
    path = tmp_path / 'a'
    path.write_bytes(bytes(1_000_000))
    check_file(path, 1)
    path.write_bytes(bytes(1_600_000))
    with pytest.raises(InputError, match=rf'^{path}: has 2 MB; at most 1 are read .*{VARIABLE}'):
        check_file(path, 1)
    monkeypatch.setenv(VARIABLE, '2')
    check_file(path, 1)
    monkeypatch.setenv(VARIABLE, 'many')
    with pytest.raises(InputError, match=f'^{VARIABLE} must be a whole number above 0'):
        check_file(path, 1)


def test_a_file_larger_than_memory_is_not_read(tmp_path):
    path = tmp_path / 'sparse'
    path.touch()
    os.truncate(path, 10**11)
    with pytest.raises(InputError, match='has 100000 MB; at most 1024'):
        check_file(path)


@pytest.mark.parametrize('path', ['/dev/zero', '/dev/null', '/proc/self/status', '/proc/self/mem'])
def test_what_the_system_makes_up(path):
    if not os.path.exists(path):
        pytest.skip(f'no {path}')
    with pytest.raises(InputError, match=r'is a device|is empty'):
        check_file(path)


def test_paths_of_other_storage_are_not_looked_for(tmp_path):
    check_local_file('s3://bucket/a.png')
    (tmp_path / 'link').symlink_to(tmp_path / 'none')
    with pytest.raises(InputError, match='no such file'):
        check_local_file(str(tmp_path / 'link'))
