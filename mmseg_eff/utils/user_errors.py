"""Distinguish user errors, printed in one line, from bugs, printed with their traceback.

User errors are ``InputError``, ``OSError`` and errors of a config. mmengine reports the last by
built-in exceptions, which bugs raise as well. So it depends on where they are raised: while a part
of the config is built, or in mmengine, mmcv or mmseg, which run with the config's values.
"""

import difflib
import errno
import io
import os
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from mmengine.registry import Registry

from ..errors import InputError
from .names import TRACEBACK_VARIABLE

BUILD = 'mmengine.registry.build_functions'
OF_ARGUMENTS = (
    AssertionError,
    ImportError,
    ValueError,
)  # of wrong arguments
OUT_OF_MEMORY = (
    r"not enough memory|can't allocate memory|out of memory|Insufficient memory|OutOfMem"
)
OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
LONGEST = 300  # characters of a message of mmengine's, which may quote a whole config


def one_line(error: BaseException) -> str:
    """The last line of an error's message; for one from a loader's worker, its own message."""
    if isinstance(error, InputError):
        return last_line(error)
    if isinstance(error, OSError) and error.errno in OF_WRITING and error.strerror:
        file = error.filename2 or error.filename or written_file(error) or 'a file'
        return f'{file}: cannot be written ({error.strerror})'
    if isinstance(error, OSError) and error.strerror:
        return f'{error.filename}: {error.strerror}' if error.filename else error.strerror
    return last_line(error)


def last_line(error: BaseException) -> str:
    """The last line of what an error was given; for one from a loader's worker, its message."""
    lines = [line for line in str(error.args[0] if error.args else error).splitlines() if line]
    message = lines[-1] if lines else type(error).__name__
    is_from_worker = len(lines) > 1 and 'DataLoader worker' in lines[0]
    return message.split(': ', 1)[-1] if is_from_worker else message


def written_file(error: OSError) -> str | None:
    """Name of the open file that an error without a file name is about, from its traceback."""
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        for value in frame.f_locals.values():
            name = getattr(value, 'name', None) if isinstance(value, io.IOBase) else None
            if isinstance(name, str):
                return name
    return None


def describe(error: Exception) -> str | None:
    """One line for a user error; ``None`` for a bug."""
    if isinstance(error, InputError | OSError):
        return one_line(error)
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not frames:
        return None
    raised_in = module_of(frames[-1])
    statement = traceback.extract_tb(error.__traceback__)[-1].line or ''
    is_check = statement.startswith('raise ')  # an operation raises for a bug
    if isinstance(error, ValueError) and is_check and raised_in.startswith('mmseg_eff.'):
        return one_line(error)  # of models and deploy/runtime.py, which know no InputError
    if isinstance(error, AttributeError | KeyError) and raised_in == 'mmengine.config.config':
        return missing_key(error)
    building = [frame for frame in frames if is_building(frame)]
    if not building:
        if not raised_in.startswith(('mmcv.', 'mmengine.', 'mmseg.')):
            return None
        return shorten(f'{type(error).__name__}: {one_line(error)}, in {raised_in}')
    inner = building[-1]
    if isinstance(error, KeyError) and frames[-1] is inner and module_of(inner) == BUILD:
        return unknown_type(error, inner)
    names = built_names(inner)
    message = one_line(error) if str(error) else statement
    is_told = is_check or isinstance(error, OF_ARGUMENTS)
    if not (is_told or is_of_signature(error, names, frames[-1] is inner)):
        message = f'{type(error).__name__}: {message}'  # such as for an argument of a wrong type
    return shorten(message if not names or names[0] in message else f'{names[0]}: {message}')


def line_on(path: Path | str, error: Exception) -> str:
    """One line for one of many files that could not be handled, while the others are.

    Its cause may be a decoder, the network at this size, or too little memory.

    Raises:
        Exception: ``error``, where the environment asks for tracebacks.
    """
    if os.environ.get(TRACEBACK_VARIABLE):
        raise error
    line = one_line(error)
    if isinstance(error, MemoryError) or re.search(OUT_OF_MEMORY, str(error), re.IGNORECASE):
        line = 'does not fit into memory; tools/predict.py --tile takes images of any size'
    else:
        line = line_of_fault(error)
    return line if str(path) in line else f'{path}: {line}'


def line_of_fault(error: Exception) -> str:
    """One line for an error of any kind; with the name of its class unless it is a user error."""
    if isinstance(error, InputError | OSError):
        return one_line(error)
    return shorten(f'{type(error).__name__}: {one_line(error)}')


def module_of(frame: FrameType) -> str:
    """Name of the module whose code a frame runs."""
    return frame.f_globals.get('__name__', '')


def is_building(frame: FrameType) -> bool:
    """Whether a frame builds a part of a config: by a registry, or in the runner."""
    is_runners = module_of(frame).startswith('mmengine.runner.')
    return module_of(frame) == BUILD or (is_runners and 'build_' in frame.f_code.co_name)


def built_names(frame: FrameType) -> list[str]:
    """Names of the class that a frame builds and of its bases, or of the function."""
    built = frame.f_locals.get('obj_cls')
    return [item.__name__ for item in getattr(built, '__mro__', [built]) if item is not None]


def is_of_signature(error: Exception, names: Sequence[str], at_call: bool) -> bool:
    """Whether an argument in a config is unknown to, or missing for, what it builds."""
    if not isinstance(error, TypeError):
        return False
    match = re.match(r'(?:(\w+)\.)?\w+\(\) (?:got|missing|takes)', str(error))
    return match is not None and (at_call or match[1] in names)


def missing_key(error: AttributeError | KeyError) -> str:
    """One line for a section that a config lacks."""
    name = re.search(r"attribute '(\w+)'", str(error))
    return f'the config has no {name[1] if name else one_line(error)}'


def unknown_type(error: KeyError, frame: FrameType) -> str:
    """One line for a missing ``type``, or one that is not registered, with the nearest name."""
    registry, name = frame.f_locals.get('registry'), frame.f_locals.get('obj_type')
    if not isinstance(registry, Registry) or not isinstance(name, str):
        return shorten(str(error.args[0]).partition('\n')[0])
    near = difflib.get_close_matches(name.rpartition('.')[2], set(known_types(registry)), 1)
    hint = f'; did you mean {near[0]}?' if near else ''
    return f'{name} is not in the {registry.scope}::{registry.name} registry{hint}'


def known_types(registry: Registry) -> Iterator[str]:
    """Names in a registry and in those above it."""
    while registry is not None:
        yield from registry.module_dict
        registry = registry.parent


def shorten(message: str) -> str:
    """A message of at most ``LONGEST`` characters."""
    return message if len(message) <= LONGEST else f'{message[:LONGEST]}…'


@contextmanager
def on_interrupt(message: str | Callable[[], str]) -> Iterator[None]:
    """If a signal ends the block, add what is kept and how to continue; the command prints it."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise type(error)(message if isinstance(message, str) else message()) from error


def kept_after(error: BaseException | None) -> str:
    """The message of ``on_interrupt``, also if the clean-up raised another error."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt) and error.args:
            return str(error)
        error = error.__context__
    return 'nothing was written; start the command again'
