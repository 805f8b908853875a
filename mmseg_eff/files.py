"""Files that stand whole or not at all, and their hashes."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
        if pid.isdigit() and not is_other_process(int(pid)):
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
