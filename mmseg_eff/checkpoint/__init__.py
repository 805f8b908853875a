"""Read checkpoints that anybody may have made: checked first, then read, then copied plainly.

``archive`` -> the file is whole; ``pickle_check`` and ``pickle_rules`` -> torch can read it;
``pth`` -> read; ``contents`` -> plain values, and metadata of the right types.
"""

from .archive import UnreadableError
from .contents import Reader, check_metadata
from .pth import read_pth, reason_of

__all__ = ['Reader', 'UnreadableError', 'check_metadata', 'read_pth', 'reason_of']
