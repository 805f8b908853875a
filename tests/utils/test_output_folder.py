import os
import signal
import time

import pytest

from mmseg_eff.errors import InputError, OutputError
from mmseg_eff.utils.output_folder import output_folder


def fork_holder(out):
    """The number of a process that holds a folder."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        with output_folder(out):
            os.write(write, b'held')
            time.sleep(60)
        os._exit(0)
    assert os.read(read, 4) == b'held'
    return pid


def test_a_folder_is_held_by_one_process_and_free_when_it_was_killed(tmp_path):
    out = tmp_path / 'out'
    pid = fork_holder(out)
    line = rf'^{out}: in use by another process \(pid {pid}\)'
    with pytest.raises(InputError, match=line), output_folder(out):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    gone = out / f'labels/.a.png.{pid}.tmp'
    video = out / f'overlays/.a.mp4.{pid}.tmp.mp4'
    kept = out / f'labels/.b.png.{os.getppid()}.tmp'
    for path in (gone, video, kept):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    with output_folder(out):
        assert not gone.exists() and not video.exists() and kept.exists()


def test_a_folder_without_files_is_not_made(tmp_path):
    out = tmp_path / 'deep/out'
    with output_folder(out):
        pass
    assert not out.parent.exists()
    with output_folder(out):
        (out / 'a.txt').touch()
    assert [path.name for path in out.iterdir()] == ['a.txt']


def test_a_place_where_no_folder_can_be(tmp_path):
    file = tmp_path / 'file'
    file.touch()
    line = rf'^{file}/out: cannot be written \(Not a directory\)'
    with pytest.raises(OutputError, match=line), output_folder(file / 'out'):
        pass
