import errno
import os
import resource
import socket
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_eff.converters import save_checkpoint
from mmseg_eff.errors import InputError, MissingFileError, OutputError
from mmseg_eff.utils import atomic_io as files
from mmseg_eff.utils.atomic_io import check_regular, lock, remove_leftovers, replacing
from mmseg_eff.utils.image_io import write_png


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
    stay.append(f'.exported.{ended.pid}.tmp')  # of a killed export
    (tmp_path / stay[-1]).mkdir()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(stay)


HOLD = """
import sys, time
from pathlib import Path
from mmseg_eff.files import lock
with lock(Path(sys.argv[1]), 'the folder'):
    print('locked', flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_and_a_dead_one_holds_nothing(tmp_path):
    path = tmp_path / 'work/.lock'
    command = [sys.executable, '-c', HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert 'locked\n' in process.stdout  # after what the fork prints
        holder = rf'the folder: in use by another process \(pid {process.pid}\)'
        with pytest.raises(InputError, match=holder), lock(path, 'the folder'):
            pass
        process.kill()
    assert path.is_file()  # left by the dead process
    with lock(path, 'the folder'):
        assert path.read_text() == f'pid {os.getpid()}'
    assert not path.exists()


def test_what_is_no_temporary_file_of_ours_stays(tmp_path):
    names = ('.a.²².tmp', f'.a.{10**20}.tmp', '.a.tmp', '.tmp')
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / '.folder.999999999.tmp').mkdir()
    remove_leftovers(tmp_path)
    assert len(list(tmp_path.iterdir())) == len(names) + 1


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path):
    other, path = tmp_path / 'other', tmp_path / '.lock'
    other.write_text('text')
    path.symlink_to(other)
    with pytest.raises(OSError, match='symbolic links'), lock(path, 'it'):
        pass
    assert other.read_text() == 'text'


def test_a_file_system_without_locks_is_used_with_a_warning(tmp_path, monkeypatch):
    def refuse(_descriptor, _wait):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(files, 'acquire', refuse)
    with pytest.warns(UserWarning, match='No locks available'), lock(tmp_path / '.lock', 'it'):
        pass


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        pytest.param(lambda path: None, 'no such file', id='nothing'),
        pytest.param(lambda path: path.symlink_to('none'), 'no such file', id='broken link'),
        pytest.param(lambda path: path.mkdir(), 'is a folder', id='folder'),
        pytest.param(os.mkfifo, 'is a pipe', id='pipe'),
        pytest.param(lambda path: path.symlink_to('/dev/zero'), 'is a device', id='device'),
        pytest.param(lambda path: path.symlink_to(path.name), 'cannot be read', id='loop'),
    ],
)
def test_only_regular_files_are_read(make, message, tmp_path):
    path = tmp_path / 'file'
    make(path)
    with pytest.raises(InputError, match=f'^{path}: {message}') as caught:
        check_regular(path)
    assert isinstance(caught.value, MissingFileError) == ('no such' in message)


def test_a_socket_and_a_name_that_no_file_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind('socket')
        with pytest.raises(InputError, match=r'^socket: is a socket; expected a regular file$'):
            check_regular('socket')
    with pytest.raises(InputError, match=r'a\\0b: cannot be read'):
        check_regular('a\0b')
    (tmp_path / 'file').touch()
    (tmp_path / 'link').symlink_to('file')
    check_regular(tmp_path / 'link')


@contextmanager
def full_disk():
    """Let no file of this process grow above 64 bytes; Python ignores the signal of that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        yield
    finally:  # pytest's own output may go to a file
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def save_tensors(path):
    save_checkpoint(dict(state_dict=dict(a=torch.zeros(99, 99)), meta={}), path)


def save_picture(path):
    with replacing(path) as temporary:
        Image.fromarray(np.random.default_rng(0).integers(0, 9, (64, 64), np.uint8)).save(
            temporary, 'PNG'
        )


@pytest.mark.parametrize(
    'write',
    [
        pytest.param(lambda path: path_write(path, 'x' * 99), id='text'),
        pytest.param(lambda path: write_png(path, np.eye(200, dtype=np.uint8)), id='PNG'),
        pytest.param(save_picture, id='PNG by Pillow'),
        pytest.param(lambda path: save_tensors(path.with_suffix('.pth')), id='pth'),
        pytest.param(lambda path: save_tensors(path.with_suffix('.safetensors')), id='safetensors'),
    ],
)
def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path, write):
    line = rf'^{tmp_path}/a\.\w+: cannot be written \(File too large'
    with pytest.raises(OutputError, match=line), full_disk():
        write(tmp_path / 'a.txt')
    assert not list(tmp_path.iterdir())


def path_write(path, text):
    with replacing(path) as temporary:
        temporary.write_text(text)


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / 'file').touch()
    path = tmp_path / 'file/deep/a.txt'
    with pytest.raises(OutputError, match=rf'^{path}: cannot be written \(Not a directory\)'):
        path_write(path, '')


def test_errors_of_other_files_stay_as_they_are(tmp_path):
    path = tmp_path / 'out/a.txt'
    with pytest.raises(FileNotFoundError) as error, replacing(path):
        (tmp_path / 'in/none.txt').read_text()
    assert not isinstance(error.value, OutputError)
    with pytest.raises(ValueError, match=r'^wrong$'), replacing(path):
        raise ValueError('wrong')
