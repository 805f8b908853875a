"""Let the C library keep the memory that a training step frees."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # parameters of glibc's mallopt


def keep_freed_memory() -> bool:
    """Let glibc keep the memory that a training step frees for the next one.

    It hands large blocks back to the kernel at once, and every step pays for fresh pages: about a
    fifth of ESPNet's training time on a CPU. Returns whether this C library could be told.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return bool(mallopt and mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
