"""Read files of ``torch.save``, after checking their checksums and pickles."""

import re
import warnings
from pathlib import Path

import torch
from mmengine.logging import HistoryBuffer

from ..compat import allow_checkpoint_globals
from .archive import UnreadableError
from .contents import Reader
from .pickle_check import check_content

PROGRAMS = (  # pattern in a message of torch -> our message
    (r'GLOBAL (\S+)', r'loading it would run \1'),
    (r'Trying to call reduce for unrecognized function', 'loading it would run a function'),
    (r'(?:getattr of|numpy\.dtype\().* is not allowed', r'\g<0>'),
)


def read_pth(path: Path, map_location: str | torch.device = 'cpu', *, mmap: bool = False) -> object:
    """Read a checkpoint as plain values, without the texts that mmengine evaluates.

    Args:
        path: A regular file.
        map_location: Device of the tensors.
        mmap: Leave the tensors on the disk until they are used.

    Raises:
        UnreadableError: See ``check_content``.
        Exception: Of any kind; ``reason_of`` gives the reason.
    """
    allow_checkpoint_globals()  # again: the fork's own loading removes them from torch's list
    statistics = dict(HistoryBuffer._statistics_methods)
    try:
        with warnings.catch_warnings(action='ignore'):
            check_content(path)
            content = torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)
    finally:  # a file's history may replace those of the class
        HistoryBuffer._statistics_methods.clear()
        HistoryBuffer._statistics_methods.update(statistics)
    return Reader(path.stat().st_size).copy(content)


def reason_of(error: Exception) -> str:
    """Why a file is not read, for a message."""
    if isinstance(error, UnreadableError):
        return str(error)
    if isinstance(error, MemoryError):
        return 'more than the memory holds'
    found = ((re.search(pattern, str(error)), reason) for pattern, reason in PROGRAMS)
    return next((match.expand(reason) for match, reason in found if match), 'damaged or cut off')
