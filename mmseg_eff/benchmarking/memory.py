"""Resident memory of this process."""

from pathlib import Path


def resident(key: str) -> float:
    """A line of ``/proc/self/status`` in MB; a child's ``ru_maxrss`` would include its parent's."""
    lines = Path('/proc/self/status').read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(key))
    return int(kilobytes) / 1e3
