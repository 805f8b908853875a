"""Images of any size, whole slides too, segmented tile by tile.

Each tile is segmented with a margin (``overlap``) that is then cut off, so that what is kept has
seen its surroundings. Away from the borders of the image the labels are those of the whole image if

- the network has no global context (pooling over the whole image, attention) and the overlap is
  not smaller than its receptive radius;
- tiles begin at multiples of the output stride (they begin at multiples of 32), the sides of the
  image are multiples of it too, and logits are enlarged with ``align_corners=False``.

Otherwise they are close. Memory holds a tile, its logits and an overview of at most 4096 x 4096
pixels, whatever the size of the image: ``.npy`` files are mapped, slides are read by OpenSlide.
Other images are decoded as a whole, 3 bytes a pixel.

Finished tiles are kept on disk, so a run that was stopped continues where it was.
"""

import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..datasets.image_reader import LabelsImages, to_display
from ..errors import InputError, OutputError
from ..utils.atomic_io import replacing, writing
from ..utils.image_io import write_png
from .inputs import Draw, Source
from .region_readers import Region, open_regions

ALIGNMENT = 32  # the largest output stride of the networks here
MAX_OVERVIEW = 4096  # pixels of a side of an overlay
STRIP = 2**22  # pixels written to a PNG at a time


class Tiling(NamedTuple):
    """How to tile, and what else the labels depend on.

    Attributes:
        size: Side of a tile in pixels, margins included.
        overlap: Margin in pixels on each side that has a neighbour.
        settings: What the labels depend on beside the image (JSON); tiles of others are redone.
    """

    size: int
    overlap: int
    settings: dict


class Tile(NamedTuple):
    read: Region  # what the network sees
    keep: Region  # the part of it whose labels are kept


def check_tiling(size: int, overlap: int) -> None:
    """Refuse tiles off the network's grid.

    Raises:
        InputError: If one is not a multiple of 32, or the overlap leaves nothing of a tile.
    """
    for name, value in (('tile', size), ('overlap', overlap)):
        if value < 0 or value % ALIGNMENT:
            raise InputError(f'--{name} must be a multiple of {ALIGNMENT}, got {value}')
    if size <= 2 * overlap:
        raise InputError(f'--tile must be more than twice --overlap ({overlap}), got {size}')


def plan_tiles(shape: tuple[int, int], size: int, overlap: int) -> list[Tile]:
    """Tiles in reading order; their kept parts cover an image (H, W) once."""
    rows, columns = (spans(length, size, overlap) for length in shape)
    return [
        Tile((read_y, read_x), (keep_y, keep_x))
        for (read_y, keep_y), (read_x, keep_x) in product(rows, columns)
    ]


def spans(length: int, size: int, overlap: int) -> list[tuple[slice, slice]]:
    """The (read, kept) spans of the tiles along a side."""
    step = size - 2 * overlap
    last = max(0, -(-(length - size) // step))
    return [
        (
            slice(i * step, min(i * step + size, length)),
            slice(i * step + overlap if i else 0, (i + 1) * step + overlap if i < last else length),
        )
        for i in range(last + 1)
    ]


def predict_tiled(
    source: Source,
    out: Path,
    segmentor: LabelsImages,
    draw: Draw,
    on_tiles: Callable[[int], None],
    on_tile: Callable[[], None],
    *,
    tiling: Tiling,
) -> None:
    """Write ``labels/{name}.png`` and ``overlays/{name}.png``, tile by tile.

    The overlay shows every n-th pixel of images with a side above 4096. What is done so far is in
    ``tiles/{name}.partial``, what a finished one was made with in ``tiles/{name}.json``: a tile or
    an image is done anew only if the image or ``tiling`` has changed.

    Args:
        source: The image.
        out: Output folder.
        segmentor: Reads the image and labels its tiles.
        draw: Overlay of a tile and its label map.
        on_tiles: Told the number of tiles.
        on_tile: Called behind each tile, also those done before.
        tiling: Tiles and overlap.

    Raises:
        InputError: As of ``open_regions``.
        OutputError: If there is no space for the labels; before anything is segmented.
    """
    shape, read, limits = open_regions(source.path, segmentor.reader)
    tiles = plan_tiles(shape, tiling.size, tiling.overlap)
    on_tiles(len(tiles))
    job = json.dumps({'image': file_stamp(source.path), **tiling._asdict()}, indent=1)
    label_path, overlay_path = (
        out / f'{kind}/{source.name}.png' for kind in ('labels', 'overlays')
    )
    finished = out / 'tiles' / f'{source.name}.json'
    work = out / 'tiles' / f'{source.name}.partial'
    if holds(finished, job) and label_path.is_file() and overlay_path.is_file():
        for _ in tiles:
            on_tile()
        return

    step = -(-max(shape) // MAX_OVERVIEW)  # of the overlay
    if not holds(work / 'job.json', job):
        shutil.rmtree(work, ignore_errors=True)
        try:
            with writing(work):
                work.mkdir(parents=True)
                make_array(work / 'labels.npy', shape, segmentor.label_dtype)
                make_array(work / 'overlay.npy', (*(-(-side // step) for side in shape), 3))
                make_array(work / 'done.npy', (len(tiles),))
                (work / 'job.json').write_text(job)
        except OutputError:
            shutil.rmtree(work, ignore_errors=True)  # which is most of what fills the disk
            raise
    done = np.load(work / 'done.npy', mmap_mode='r+')
    for index, tile in enumerate(tiles):
        if not done[index]:
            image = read(tile.read)
            label = segmentor.segment(image)
            kept = inside(tile, 1)
            write_region(work / 'labels.npy', tile.keep, label[kept])
            shown = inside(tile, step)
            reduced = tuple(slice(-(-s.start // step), -(-s.stop // step)) for s in tile.keep)
            write_region(
                work / 'overlay.npy', reduced, draw(to_display(image['img'], limits), label)[shown]
            )
            done[index] = 1
            done.flush()
        on_tile()
    write_label_png(label_path, work / 'labels.npy')
    write_png(overlay_path, np.load(work / 'overlay.npy'))
    with replacing(finished) as temporary:
        temporary.write_text(job)
    shutil.rmtree(work)


def file_stamp(path: Path) -> list:
    """What changes with a file: its name, size in bytes and time of change."""
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


def inside(tile: Tile, step: int) -> Region:
    """What is kept, counted from the tile's corner; every pixel at a multiple of ``step``."""
    return tuple(
        slice(keep.start + -keep.start % step - read.start, keep.stop - read.start, step)
        for read, keep in zip(tile.read, tile.keep, strict=True)
    )


def make_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> None:
    """Make a file of zeros with all its space: on a full disk, writing to a mapping is SIGBUS.

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


def write_region(path: Path, region: Region, values: NDArray[np.uint8]) -> None:
    """Write into a part of an array's file, to the disk."""
    array = np.load(path, mmap_mode='r+')
    array[region] = values
    array.flush()


def write_label_png(path: Path, array: Path) -> None:
    """Write labels (H, W) of 8 or 16 bits as a grey PNG, strip by strip (ISO/IEC 15948).

    Args:
        path: The PNG.
        array: An ``.npy`` file of the labels.
    """
    labels = np.load(array, mmap_mode='r')
    (height, width), size = labels.shape, labels.dtype.itemsize
    del labels  # mapped anew for each strip, so that pages do not stay in the process
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
            filtered = np.pad(pixels, ((0, 0), (1, 0)))  # each row after its filter's number, none
            write_chunk(b'IDAT', packer.compress(filtered.tobytes()))
        write_chunk(b'IDAT', packer.flush())
        write_chunk(b'IEND', b'')
