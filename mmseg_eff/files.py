"""Files that stand whole or not at all, their hashes, and locks between processes."""

import errno
import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to, and rename it when that succeeded.

    Makes the folder. If the block raises, what was written goes and an older ``path`` stays.

    Args:
        path: File to write or replace.
        durable: Wait for the disk, before and after the renaming: then either the old or the new
            file is there after a power cut too. A rename alone survives only a kill.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        if durable:
            sync(temporary)
        os.replace(temporary, path)
        if durable:
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the disk has what was written to a file, or which names are in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of ``replacing`` that killed processes left in ``folder``."""
    for path in folder.glob('.*.tmp'):
        pid = path.name.split('.')[-2]
        is_number = pid.isascii() and pid.isdigit() and len(pid) < 10
        if is_number and path.is_file() and not is_other_process(int(pid)):
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


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


@contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file, so that no second process does the same work in the same place.

    The system frees the lock when its process ends, however it ends; children do not inherit it.
    The file goes at the end of the block. Makes the folder. On a file system without locks,
    warns and goes on.

    Args:
        path: The lock file.
        what: What it guards, for the message, such as a work dir.

    Raises:
        InputError: If another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    no_link = getattr(os, 'O_NOFOLLOW', 0)  # it would write to what a link points to
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | no_link, 0o644)
    try:
        acquire(descriptor)
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
        with lock(path, what):
            yield
        return
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f'pid {os.getpid()}'.encode())
        yield
    finally:
        if fcntl is not None:  # Windows removes no open file
            path.unlink(missing_ok=True)
        os.close(descriptor)


def acquire(descriptor: int) -> None:
    """Lock an open file for this process, or raise ``OSError`` at once."""
    if fcntl is not None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)


def is_same_file(descriptor: int, path: Path) -> bool:
    """Whether ``path`` still names the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
