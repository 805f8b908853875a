"""End a tool at once, with one line, on Ctrl-C or SIGTERM while Python imports."""

import os
import signal


def stop(number: int, _frame: object) -> None:
    """Leave at once: there is nothing to keep, and an exception may be dropped in an import."""
    os.write(2, b'interrupted: nothing was written; start the command again\n')
    os._exit(128 + number)


def end_in_one_line() -> None:
    """Let both signals end this process by ``stop``."""
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
