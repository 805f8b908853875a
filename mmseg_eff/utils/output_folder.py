"""Lock the folder that a command writes to."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.dist import get_dist_info

from .atomic_io import lock, remove_leftovers


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Lock a folder for this process, and remove the temporary files that killed processes left.

    In a distributed run, rank 0 does so. A folder that is made here and stays empty is removed.

    Raises:
        InputError: If another process holds it, or it cannot be made.
    """
    if get_dist_info()[0] > 0:
        yield
        return
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with lock(folder / '.lock', str(folder)):
            for parent in {path.parent for path in folder.rglob('.*.tmp*')}:
                remove_leftovers(parent)
            yield
    finally:
        with suppress(OSError):  # one is not empty
            for path in made:
                path.rmdir()
