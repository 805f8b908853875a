"""Watch what a process does while it reads a hostile file: programs, code, files, connections.

``with watch(folder) as seen:`` collects the forbidden events in ``seen`` by an audit hook of
Python, which no code in the process can avoid. Connections and programs are stopped as well.
"""

import getpass
import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATHS = sysconfig.get_paths()
CODE = (  # folders whose code may run: Python's, the packages', ours
    *{PATHS['stdlib'], PATHS['platstdlib'], PATHS['purelib'], PATHS['platlib']},
    *site.getsitepackages(),
    str(Path(__file__).parents[1]),
)
GENERATED = ('<string>', '<__array_function__ internals>', '<attrs generated', '<frozen ', '<torch')
CACHES = (  # of matplotlib and torch
    *('~/.cache', '~/.config/matplotlib'),
    f'{tempfile.gettempdir()}/torchinductor_{getpass.getuser()}',
)
PROGRAMS = (
    *('os.system', 'os.exec', 'os.posix_spawn', 'os.spawn', 'os.startfile', 'pty.spawn'),
    *('subprocess.Popen', 'os.fork', 'os.forkpty', 'webbrowser.open', 'ftplib.connect'),
)
CONNECTIONS = ('socket.connect', 'socket.getaddrinfo', 'socket.sendto', 'urllib.Request')
CHANGES = {  # event -> which of its arguments are paths that it changes
    **dict.fromkeys(('os.mkdir', 'os.remove', 'os.rmdir', 'os.truncate', 'shutil.rmtree'), (0,)),
    **dict.fromkeys(('os.rename', 'os.link', 'shutil.move'), (0, 1)),
    'os.symlink': (1,),
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Forbidden(BaseException):
    """Stops a program or a connection; no ``except Exception`` hides it."""


class Watch:
    """The one audit hook of the tests: hooks cannot be taken off, so it is told when to watch."""

    def __init__(self) -> None:
        self.seen: list[str] | None = None
        self.folders: tuple[str, ...] = ()
        self.programs: tuple[str, ...] = ()
        self.refused: tuple[str, ...] = ()
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
        if event in self.refused:
            return f'{event} {args!r:.200}'
        if event in PROGRAMS + CONNECTIONS:
            is_allowed = event == 'subprocess.Popen' and args[0] in self.programs
            return '' if is_allowed else f'{event} {args!r:.200}'
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
        if not all(self.is_inside(args[index]) for index in CHANGES.get(event, ())):
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
        allowed = (*self.folders, '/dev/null')
        return is_bytecode or full in allowed or full.startswith(tuple(f'{x}/' for x in allowed))


WATCH = Watch()


@contextmanager
def watch(
    *folders: str | Path,
    programs: Sequence[str] = (),
    caches: Sequence[str] = CACHES,
    refused: Sequence[str] = (),
) -> Iterator[list[str]]:
    """Collect forbidden events in a list.

    Args:
        folders: Where files may be written, renamed and removed.
        programs: Those that may be run, by the names that they are started by.
        caches: Further such folders, of packages.
        refused: Events that are forbidden whatever causes them, such as ``'exec'``.
    """
    previous = WATCH.seen, WATCH.folders, WATCH.programs, WATCH.refused
    allowed = [os.path.realpath(os.path.expanduser(folder)) for folder in (*folders, *caches)]
    WATCH.folders, WATCH.programs, WATCH.refused = tuple(allowed), tuple(programs), tuple(refused)
    WATCH.seen = []
    try:
        yield WATCH.seen
    finally:
        WATCH.seen, WATCH.folders, WATCH.programs, WATCH.refused = previous
