import os
import subprocess
import sys

import pytest

from mmseg_eff import files
from mmseg_eff.files import remove_leftovers, replacing


@pytest.mark.parametrize('durable', [False, True])
def test_written_whole_into_a_new_folder(tmp_path, durable):
    path = tmp_path / 'deep/file.txt'
    with replacing(path, durable=durable) as temporary:
        temporary.write_text('new')
        assert not path.exists()
    assert path.read_text() == 'new'
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize('durable', [False, True])
def test_a_failure_leaves_the_old_file_alone(tmp_path, durable):
    path = tmp_path / 'file.txt'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), replacing(path, durable=durable) as temporary:
        temporary.write_text('half')
        raise KeyboardInterrupt
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_the_disk_is_waited_for_before_and_after_the_renaming(tmp_path, monkeypatch):
    path, calls = tmp_path / 'file.txt', []
    sync, replace = files.sync, os.replace
    monkeypatch.setattr(files, 'sync', lambda path: (calls.append(path), sync(path)))
    monkeypatch.setattr(os, 'replace', lambda *paths: (calls.append(paths), replace(*paths)))
    with replacing(path, durable=True) as temporary:
        temporary.write_text('new')
    assert calls == [temporary, (temporary, path), tmp_path]


def test_a_disk_that_fails_when_waited_for_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'file.txt'
    path.write_text('old')

    def fsync(descriptor):
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr(os, 'fsync', fsync)
    with pytest.raises(OSError, match='Input/output'), replacing(path, durable=True) as temporary:
        temporary.write_text('new')
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_go_and_nothing_else(tmp_path):
    ended = subprocess.Popen([sys.executable, '-c', ''])
    ended.wait()
    gone = [f'.iter_3.pth.{pid}.tmp' for pid in (ended.pid, os.getpid())]
    stay = [f'.iter_3.pth.{os.getppid()}.tmp', '.tmp', '.other.tmp', f'iter.{ended.pid}.tmp', 'a']
    for name in gone + stay:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stay)
