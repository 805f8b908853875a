"""Read untrusted checkpoints.

``archive`` checks that the file is complete, ``pickle_check`` and ``pickle_rules`` that torch can
read it within bounds; ``pth`` reads it; ``contents`` copies it as plain values and checks metadata.
"""

from .archive import UnreadableError
from .contents import Reader, check_metadata
from .pth import read_pth, reason_of

__all__ = ['Reader', 'UnreadableError', 'check_metadata', 'read_pth', 'reason_of']
