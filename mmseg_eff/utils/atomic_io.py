"""Atomic file writes, checks and hashes of files, and locks between processes."""

import errno
import hashlib
import os
import re
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError, MissingFileError, OutputError

if sys.platform != 'win32':
    import fcntl
else:
    import msvcrt


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to, and rename it when that succeeded.

    Makes the folder. If the block raises, the temporary file is removed and an older ``path`` is
    kept.

    Args:
        path: File to write or replace.
        durable: Wait for the disk, before and after the renaming, so that the old or the new file
            exists after a power cut, too. A rename alone protects against a kill only.

    Raises:
        OutputError: If the disk is full, the folder cannot be written to, and the like.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if durable:
                sync(temporary)
            os.replace(temporary, path)
            if durable:
                sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise errors of writing with the name of the file; they name a temporary file or none.

    Errors that name a file elsewhere, of something read in the block, stay as they are.

    Raises:
        OutputError: If writing fails, also where a library, as torch, raises an error of its own.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not (isinstance(cause, OSError) and cause.strerror):
            cause = cause.__context__
        if cause is None or not is_about(cause.filename, path):
            raise
        failure = OutputError(f'{path}: cannot be written ({cause.strerror})')
        failure.strerror = cause.strerror
        raise failure from error


def is_about(named: object, path: Path) -> bool:
    """Whether an error's ``filename`` is in the folder of ``path``, is above it, or is missing."""
    if not isinstance(named, str | bytes | os.PathLike):
        return True
    named, folder = Path(os.fsdecode(named)), path.parent
    return folder in named.parents or named == folder or named in folder.parents


def sync(path: Path) -> None:
    """Wait until the disk has what was written to a file, or which names are in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of ``replacing`` that killed processes left in ``folder``."""
    for path in folder.glob('.*.tmp*'):
        match = re.search(r'\.([0-9]{1,9})\.tmp(\.\w+)?$', path.name)
        if match and path.is_file() and not is_other_process(int(match[1])):
            path.unlink(missing_ok=True)


def is_other_process(pid: int) -> bool:
    """Whether another process than this one runs under a number."""
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return pid != os.getpid()


def check_regular(path: str | Path, what: str = 'file') -> None:
    """Check, without opening it, that a path names a regular file; others can block for ever.

    Args:
        path: The path; links are followed.
        what: What is missing if nothing is there, such as ``'image file'``.

    Raises:
        MissingFileError: If nothing is there.
        InputError: If it is a folder, a pipe, a socket, a device or a loop of links.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f'{path}: no such {what}') from error
    except (OSError, ValueError) as error:  # the latter for a NUL in the name
        reason = getattr(error, 'strerror', None) or error
        name = str(path).replace('\0', '\\0')
        raise InputError(f'{name}: cannot be read ({reason})') from error
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: 'folder', stat.S_IFIFO: 'pipe', stat.S_IFSOCK: 'socket'}
        kind = kinds.get(stat.S_IFMT(mode), 'device')
        raise InputError(f'{path}: is a {kind}; expected a regular file')


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    return digest_of(path, 'sha256')


def digest_of(path: str | Path, algorithm: str) -> str:
    """Hash of a file, as hexadecimal digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@contextmanager
def lock(path: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock file, so that no second process does the same work in the same place.

    The system frees the lock when its process ends, however it ends; children do not inherit it.
    The file is removed at the end of the block. Makes the folder. On a file system without locks,
    warns and goes on.

    Args:
        path: The lock file.
        what: What it guards, for the message, such as a work dir.
        wait: Wait for another process instead of refusing.

    Raises:
        InputError: If another process holds it.
    """
    no_link = getattr(os, 'O_NOFOLLOW', 0)  # it would write to what a link points to
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | no_link, 0o644)
    try:
        acquire(descriptor, wait)
    except OSError as error:
        holder = os.read(descriptor, 32).decode(errors='replace').strip()
        os.close(descriptor)
        if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            warnings.warn(f'{path}: cannot be locked ({error.strerror})', stacklevel=3)
            path.unlink(missing_ok=True)
            yield
            return
        raise InputError(
            f'{what}: in use by another process{f" ({holder})" if holder else ""}; wait for it or '
            'name another folder'
        ) from error
    if not is_same_file(descriptor, path):  # removed by its holder between the two calls
        os.close(descriptor)
        with lock(path, what, wait=wait):
            yield
        return
    try:
        with suppress(OSError):  # a full disk: the lock holds without a name
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f'pid {os.getpid()}'.encode())
        yield
    finally:
        if sys.platform != 'win32':  # which removes no open file
            path.unlink(missing_ok=True)
        os.close(descriptor)


def acquire(descriptor: int, wait: bool) -> None:
    """Lock an open file for this process; without ``wait`` raise ``OSError`` at once."""
    if sys.platform != 'win32':
        fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    else:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)


def is_same_file(descriptor: int, path: Path) -> bool:
    """Whether ``path`` still names the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
