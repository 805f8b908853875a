"""End a command cleanly on Ctrl-C (SIGINT) and SIGTERM."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

PYTHONS = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler)
REPEATED = 2.0  # seconds; launchers repeat a signal that the process group has had already
AGAIN = 0.05  # seconds until a signal is sent anew


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


STOPS: dict[int, type[KeyboardInterrupt]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
}


@contextmanager
def stopping_in_order() -> Iterator[list[int]]:
    """Raise ``KeyboardInterrupt`` on SIGINT and ``Terminated`` on SIGTERM in the block, once.

    A second signal, more than ``REPEATED`` seconds later, ends the process at once. Forked
    children, such as a data loader's workers, ignore SIGINT, since their parent ends them; they end
    on SIGTERM without a message.

    Yields:
        The signal that came, if any.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone has handlers
        yield []
        return
    owner, since = os.getpid(), 0.0
    received: list[int] = []
    timers: list[threading.Timer] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal since
        if os.getpid() != owner:
            if number == signal.SIGTERM:
                os._exit(128 + number)
        elif not received:
            received.append(number)
            since = time.monotonic()
            if callable(signal.getsignal(signal.SIGCHLD)):  # torch's, for workers that die
                signal.signal(signal.SIGCHLD, lambda *_: None)
            raise STOPS[number]
        elif time.monotonic() - since > REPEATED:
            os._exit(128 + number)

    def send_again(unraisable: Any) -> None:  # Python drops what is raised in a destructor
        if os.getpid() == owner and issubclass(unraisable.exc_type, KeyboardInterrupt):
            timers.append(threading.Timer(AGAIN, os.kill, (owner, received.pop())))
            timers[-1].start()
        else:
            hook(unraisable)

    def show(kind: type, error: BaseException, trace: TracebackType | None) -> None:
        if os.getpid() == owner or not issubclass(kind, ConnectionError | EOFError):
            show_any(kind, error, trace)  # a worker's thread says so when the parent is gone

    hook, sys.unraisablehook = sys.unraisablehook, send_again
    show_any, sys.excepthook = sys.excepthook, show
    before = {number: signal.signal(number, stop) for number in STOPS}
    try:
        yield received
    finally:
        for timer in timers:  # the work was done before
            timer.cancel()
        for number, handler in before.items():
            if handler not in PYTHONS:  # ``end_at_once``, whose message would be wrong by now
                handler = signal.SIG_DFL if received else signal.SIG_IGN
            signal.signal(number, handler)
        sys.unraisablehook, sys.excepthook = hook, show_any


@contextmanager
def noting_stops(stop: Callable[[], object], is_on: bool = True) -> Iterator[None]:
    """Call ``stop`` on SIGINT or SIGTERM in the block, and send the signal again after the block.

    For a loop that ends by ``stop`` and then finishes what it writes. A second signal, more than
    ``REPEATED`` seconds later, goes to the earlier handler at once.

    Args:
        stop: Ends the loop soon; called between two instructions of the main thread.
        is_on: Leave the signals alone if not.
    """
    if not is_on or threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    since = 0.0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal since
        if not received:
            received.append(number)
            since = time.monotonic()
            stop()
        elif time.monotonic() - since > REPEATED and callable(before[number]):
            before[number](number, frame)

    before: dict[int, Any] = {number: signal.getsignal(number) for number in STOPS}
    for number in STOPS:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def end_in_one_line() -> None:
    """Let both signals end this process at once, with one line, until something else is set."""
    for number in STOPS:
        signal.signal(number, end_at_once)


def end_at_once(number: int, _frame: FrameType | None) -> None:
    """End the process: nothing needs saving yet, and Python may drop an exception in an import."""
    os.write(2, b'interrupted: nothing was written; start the command again\n')
    os._exit(128 + number)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """``end_in_one_line`` in a block, such as one of imports."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end_at_once) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow_parent() -> None:
    """Let a process of a pool ignore Ctrl-C, and end as soon as its parent has ended, however."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_after, args=[multiprocessing.parent_process()], daemon=True).start()


def end_after(parent: multiprocessing.Process) -> None:
    """End this process as soon as its parent has ended."""
    parent.join()
    os._exit(1)
