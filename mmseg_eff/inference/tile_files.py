"""Files of a tiled image: arrays that are written by regions, and label PNGs written by strips."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..utils.atomic_io import replacing
from .region_readers import Region

STRIP = 2**22  # pixels written to a PNG at a time


def file_stamp(path: Path) -> list:
    """What changes with a file: its name, size in bytes and time of change."""
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def holds(path: Path, text: str) -> bool:
    """Whether a file exists and holds a text."""
    return path.is_file() and path.read_text() == text


def make_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> None:
    """Make an array file of zeros with all its disk space allocated.

    On a full disk, writing to a mapped file without its space would end the process by SIGBUS.

    Raises:
        OSError: If there is no space for it.
    """
    array = np.lib.format.open_memmap(path, 'w+', dtype, shape)
    with path.open('r+b') as file:
        if hasattr(os, 'posix_fallocate'):
            os.posix_fallocate(file.fileno(), 0, array.offset + array.nbytes)
        else:
            file.seek(array.offset)
            for start in range(0, array.nbytes, STRIP):
                file.write(bytes(min(STRIP, array.nbytes - start)))


def write_region(path: Path, region: Region, values: NDArray) -> None:
    """Write into a part of an array file, and flush it to the disk."""
    array = np.load(path, mmap_mode='r+')
    array[region] = values
    array.flush()


def write_label_png(path: Path, array: Path) -> None:
    """Write labels (H, W) of 8 or 16 bits as a grey PNG, strip by strip (ISO/IEC 15948).

    Args:
        path: The PNG; an atomic write.
        array: An ``.npy`` file of the labels.
    """
    labels = np.load(array, mmap_mode='r')
    (height, width), size = labels.shape, labels.dtype.itemsize
    del labels  # mapped anew for each strip: the pages of a mapping stay in memory as long as it
    rows = max(1, STRIP // width)
    with replacing(path) as temporary, temporary.open('wb') as file:

        def write_chunk(kind: bytes, data: bytes) -> None:
            check = zlib.crc32(kind + data)
            file.write(struct.pack('>I', len(data)) + kind + data + struct.pack('>I', check))

        file.write(b'\x89PNG\r\n\x1a\n')
        write_chunk(b'IHDR', struct.pack('>2I5B', width, height, 8 * size, 0, 0, 0, 0))
        packer = zlib.compressobj()
        for top in range(0, height, rows):
            strip = np.load(array, mmap_mode='r')[top : top + rows].astype(f'>u{size}')
            pixels = strip.view(np.uint8).reshape(len(strip), -1)
            filtered = np.pad(pixels, ((0, 0), (1, 0)))  # each row begins with its filter: 0, none
            write_chunk(b'IDAT', packer.compress(filtered.tobytes()))
        write_chunk(b'IDAT', packer.flush())
        write_chunk(b'IEND', b'')
