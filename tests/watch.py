"""Watch what a process does while it reads something hostile: programs, code, files, connections.

``with watch(folder) as seen:`` collects the forbidden events in ``seen``, by Python's audit hooks,
which no code in the process can avoid. Connections and programs are stopped as well.
"""

import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATHS = sysconfig.get_paths()
CODE = (  # folders whose code may run: Python's, the packages', ours
    *{PATHS['stdlib'], PATHS['platstdlib'], PATHS['purelib'], PATHS['platlib']},
    *site.getsitepackages(),
    str(Path(__file__).parents[1]),
)
GENERATED = ('<string>', '<__array_function__ internals>', '<attrs generated', '<frozen ', '<torch')
PROGRAMS = (
    *('os.system', 'os.exec', 'os.posix_spawn', 'os.spawn', 'os.startfile', 'pty.spawn'),
    *('subprocess.Popen', 'os.fork', 'os.forkpty', 'webbrowser.open', 'ftplib.connect'),
)
CONNECTIONS = ('socket.connect', 'socket.getaddrinfo', 'socket.sendto', 'urllib.Request')
REMOVALS = ('os.remove', 'os.rmdir', 'shutil.rmtree', 'os.truncate', 'os.symlink', 'os.link')
MOVES = ('os.rename', 'shutil.move', 'os.mkdir')
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Forbidden(BaseException):
    """Stops a program or a connection; no ``except Exception`` hides it."""


class Watch:
    """The one audit hook of the tests: hooks cannot be taken off, so it is told when to watch."""

    def __init__(self) -> None:
        self.seen: list[str] | None = None
        self.folders: tuple[str, ...] = ()
        self.is_busy = False
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple) -> None:
        if self.seen is None or self.is_busy:
            return
        self.is_busy = True  # what this does is an event too
        try:
            reason = self.reason(event, args)
        finally:
            self.is_busy = False
        if reason:
            self.seen.append(reason)
            if event in PROGRAMS + CONNECTIONS:
                raise Forbidden(reason)

    def reason(self, event: str, args: tuple) -> str:
        """Why an event is forbidden; empty if it is not."""
        if event in PROGRAMS + CONNECTIONS:
            return f'{event} {args!r:.200}'
        if event == 'exec':
            return self.of_code(args[0].co_filename)
        if event == 'import' and args[1]:
            return '' if str(args[1]).startswith(CODE) else f'import of {args[1]}'
        if event == 'open':
            path, mode, flags = args
            is_writing = (mode and set(mode) & set('wax+')) or (flags or 0) & WRITING
            if not is_writing or isinstance(path, int) or self.is_inside(path):
                return ''
            return f'open of {path} for writing'
        if event in REMOVALS + MOVES and not all(map(self.is_inside, args[:1])):
            return f'{event} {args!r:.200}'
        return ''

    def of_code(self, filename: str) -> str:
        """Why running code of a file is forbidden: text may be run by Python and packages alone."""
        if filename.startswith(GENERATED):
            frame = sys._getframe(3)  # what called exec or eval
            caller = frame.f_code.co_filename
            if caller.startswith(CODE) and not caller.endswith('mmengine/config/config.py'):
                return ''
            return '' if caller.startswith('<frozen ') else f'text run by {caller}'
        return '' if filename.startswith(CODE) else f'code of {filename}'

    def is_inside(self, path: object) -> bool:
        """Whether a path is in a folder that may be written to, or byte code of Python's own."""
        if isinstance(path, int):
            return True
        full = os.path.realpath(os.fsdecode(path))
        is_bytecode = full.startswith(CODE) and '__pycache__' in full
        return is_bytecode or full.startswith((*self.folders, '/dev/null'))


WATCH = Watch()


@contextmanager
def watch(*folders: str | Path, caches: bool = True) -> Iterator[list[str]]:
    """Collect forbidden events in the list given.

    Args:
        folders: Where files may be written, renamed and removed.
        caches: Those of matplotlib and others in the home folder, too.
    """
    allowed = [os.path.realpath(folder) + os.sep for folder in folders]
    allowed += [os.path.realpath(folder) for folder in folders]
    if caches:
        allowed += [
            os.path.expanduser('~/.cache'),
            os.path.join(tempfile.gettempdir(), 'matplotlib'),
        ]
    previous = WATCH.seen, WATCH.folders
    WATCH.seen, WATCH.folders = [], tuple(allowed)
    try:
        yield WATCH.seen
    finally:
        WATCH.seen, WATCH.folders = previous
