"""Limit what is read as a file: no pipes or devices, and no more bytes than fit into memory."""

import os
from pathlib import Path

from ..errors import InputError
from .atomic_io import check_regular

VARIABLE = 'MMSEG_EFF_MAX_FILE_MB'
DEFAULT = 1024  # MB


def limit_from(variable: str, default: int) -> int:
    """The limit that an environment variable sets, or the default.

    Raises:
        InputError: If the variable holds no whole number above 0.
    """
    value = os.environ.get(variable, str(default))
    if not value.isdecimal() or int(value) == 0:
        raise InputError(f'{variable} must be a whole number above 0, got {value!r}')
    return int(value)


def check_file(path: str | Path, limit: int = DEFAULT) -> None:
    """Refuse a file that is not regular, is empty or too large, before it is opened.

    Args:
        path: The file.
        limit: Largest size in MB; the environment variable ``MMSEG_EFF_MAX_FILE_MB`` sets another.

    Raises:
        MissingFileError: If there is none.
        InputError: If it is no regular file, empty or too large; see also ``limit_from``.
    """
    check_regular(path)
    limit = limit_from(VARIABLE, limit)
    size = os.path.getsize(path)
    if not size:  # or a file of the system's, such as /proc/kmsg, which may block
        raise InputError(f'{path}: is empty (0 bytes)')
    if size > limit * 1e6:
        raise InputError(
            f'{path}: has {size / 1e6:.0f} MB; at most {limit} are read (environment variable '
            f'{VARIABLE})'
        )


def check_local_file(path: str, limit: int = DEFAULT) -> None:
    """``check_file`` of a path that is one of this machine's, and not of a storage backend."""
    if os.path.lexists(path):
        check_file(path, limit)
