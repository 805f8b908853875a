"""Call a function in a process of its own, so that a crash or a hang ends nothing else."""

import os
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from textwrap import shorten

LONGEST = 300  # characters of a reason


def attempt(function: Callable, arguments: Sequence, log: str, answer: str) -> None:
    """Call a function, its output in a file; a ``ValueError`` goes to another one, in a line."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):  # of converters in C++, too
        os.dup2(descriptor, stream)
    try:
        function(*arguments)
        Path(answer).write_text('')
    except ValueError as error:
        Path(answer).write_text(shorten(str(error), LONGEST))


def in_process(function: Callable, *arguments: object, log: Path, limit: float) -> str:
    """Call a function in a process of its own.

    Returns:
        Why it failed; empty if it did not.
    """
    answer = log.with_suffix('.answer')
    answer.unlink(missing_ok=True)
    process = get_context('spawn').Process(
        target=attempt, args=(function, arguments, str(log), str(answer))
    )
    process.start()
    process.join(limit)
    if process.is_alive():
        process.kill()
        process.join()
        return f'took more than {limit:.0f} s'
    if not answer.exists():
        lines = log.read_text(errors='replace').split('\n')
        last = next((line for line in reversed(lines) if line.strip()), '')
        return shorten(f'ended with code {process.exitcode}: {last}', LONGEST)
    reason = answer.read_text()
    answer.unlink()
    return reason
