import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import pytest

from mmseg_eff.commands._cli import tool
from mmseg_eff.utils import signals
from mmseg_eff.utils.signals import Terminated, follow_parent, noting_stops, stopping_in_order
from mmseg_eff.utils.user_errors import on_interrupt

ROOT = Path(__file__).parents[2]
STOPS = [
    pytest.param(signal.SIGINT, 130, id='SIGINT'),
    pytest.param(signal.SIGTERM, 143, id='SIGTERM'),
]


def send(number):
    """A signal to this process, and time to see it."""
    os.kill(os.getpid(), number)
    time.sleep(0.2)


@pytest.mark.parametrize(('number', 'status'), STOPS)
def test_a_signal_is_one_line_and_its_status(capsys, number, status):
    @tool
    def main(argv=None):
        with on_interrupt('a.pth is kept'):
            send(number)

    assert main([]) == status
    name = '' if number == signal.SIGINT else ' by SIGTERM'
    assert capsys.readouterr().err == f'interrupted{name}: a.pth is kept\n'


@pytest.mark.parametrize(('number', 'status'), STOPS)
def test_an_error_of_the_clean_up_does_not_hide_the_signal(capsys, number, status):
    @tool
    def main(argv=None):
        try:
            with on_interrupt('a.pth is kept'):
                send(number)
        finally:
            raise RuntimeError('DataLoader worker (pid 1) exited unexpectedly')

    assert main([]) == status
    assert capsys.readouterr().err.endswith(': a.pth is kept\n')


@pytest.mark.parametrize(('number', 'status'), STOPS)
def test_a_noted_signal_comes_again_after_the_block(capsys, number, status):
    done = []

    @tool
    def main(argv=None):
        with on_interrupt('the video is kept'), noting_stops(lambda: done.append('stop')):
            send(number)
            send(number)  # of a launcher, which repeats it
            done.append('finished')
        done.append('never')

    assert main([]) == status
    assert done == ['stop', 'finished']
    assert capsys.readouterr().err.endswith(': the video is kept\n')


def test_a_second_signal_ends_the_block_at_once(monkeypatch):
    monkeypatch.setattr(signals, 'REPEATED', 0.1)
    with stopping_in_order(), pytest.raises(KeyboardInterrupt), noting_stops(lambda: None):
        send(signal.SIGINT)
        send(signal.SIGINT)
        pytest.fail('not ended')


def test_signals_are_left_alone():
    before = signal.getsignal(signal.SIGINT)
    with noting_stops(lambda: pytest.fail('called'), is_on=False):
        assert signal.getsignal(signal.SIGINT) is before
        with pytest.raises(KeyboardInterrupt), stopping_in_order():
            send(signal.SIGINT)
    with noting_stops(lambda: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_a_destructor_swallows_comes_again():
    class Slow:
        def __del__(self):
            send(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), stopping_in_order():
        Slow()
        time.sleep(5)


def test_a_signal_swallowed_when_all_is_done_does_no_harm():
    class Slow:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    with stopping_in_order():
        Slow()
    time.sleep(3 * signals.AGAIN)


def test_a_second_signal_soon_is_the_same_and_later_ends_at_once(monkeypatch):
    ended = []
    monkeypatch.setattr(os, '_exit', ended.append)
    with stopping_in_order() as received:
        with pytest.raises(Terminated):
            send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert not ended
        monkeypatch.setattr(signals, 'REPEATED', 0.0)
        send(signal.SIGINT)
    assert ended == [130]
    assert received == [signal.SIGTERM]


def test_handlers_are_as_before_but_for_those_of_the_imports():
    before = signal.getsignal(signal.SIGINT)
    with stopping_in_order():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    for comes, after in ((False, signal.SIG_IGN), (True, signal.SIG_DFL)):
        signal.signal(signal.SIGTERM, lambda *_: None)  # as in tools/*.py
        with suppress(Terminated), stopping_in_order():
            if comes:
                send(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is after


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs forks')
def test_children_leave_it_to_their_parent(capfd):
    def end_of_child(number):
        pid = os.fork()
        if not pid:
            send(number)
            os._exit(5)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    with stopping_in_order():
        assert end_of_child(signal.SIGINT) == 5
        assert end_of_child(signal.SIGTERM) == 143
    assert capfd.readouterr().err == ''


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs forks')
def test_a_pool_ends_with_its_killed_parent():
    read, write = os.pipe()
    parent = os.fork()
    if not parent:
        pool = ProcessPoolExecutor(2, get_context('fork'), initializer=follow_parent)
        for future in [pool.submit(slow_number) for _ in range(8)]:
            os.write(write, f'{future.result()} '.encode())
        os.write(write, b'.')
        time.sleep(60)
    text = b''
    while not text.endswith(b'.'):
        text += os.read(read, 99)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    pids = [int(pid) for pid in text[:-1].split()]
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pids and not any(map(is_running, pids))


def slow_number():
    time.sleep(0.05)
    return os.getpid()


def is_running(pid):
    """Whether a process runs; one that nobody has waited for has ended, too."""
    status = Path(f'/proc/{pid}/stat')
    return status.exists() and status.read_text().rpartition(')')[2].split()[0] != 'Z'


@pytest.mark.parametrize(('number', 'status'), STOPS)
def test_a_signal_while_a_command_imports(tmp_path, number, status):
    """mmcv is a package here that gets the signal when it is imported, inside a destructor."""
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').write_text(
        'import os\n'
        f'class Slow:\n    def __del__(self):\n        os.kill(os.getpid(), {int(number)})\n'
        'Slow()\n'
    )
    tool = str(ROOT / 'tools/convert_weights.py')
    command = [sys.executable, '-S', tool, 'espnet', 'official.pth', 'ours.pth']
    environment = {**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{ROOT}'}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == status, ended.stderr
    assert ended.stderr == 'interrupted: nothing was written; start the command again\n'
