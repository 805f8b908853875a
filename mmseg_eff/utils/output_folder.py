"""Hold the folder that a tool writes into."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.dist import get_dist_info

from .atomic_io import lock, remove_leftovers


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for this process, and remove the temporary files of killed ones from it.

    Of processes that work together, the first one does. A folder that gets no file is not made.

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
        with suppress(OSError):  # as soon as one holds something
            for path in made:
                path.rmdir()
