"""Read regions of images that need not fit into memory."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..datasets.image_reader import ImageReader, Loaded, display_range, part_of
from ..errors import InputError
from ..utils.atomic_io import check_regular
from ..utils.image_io import IMAGE_SUFFIXES

SLIDE_SUFFIXES = ('.bif', '.mrxs', '.ndpi', '.scn', '.svs', '.svslide', '.vms')
REGION_SUFFIXES = (*IMAGE_SUFFIXES, '.npy', *SLIDE_SUFFIXES)

Region = tuple[slice, slice]  # rows, columns
ReadPixels = Callable[[Region], NDArray[np.uint8]]  # region -> BGR (h, w, 3)


class Regions(NamedTuple):
    """An image that is read by regions.

    Attributes:
        shape: H and W.
        read: Loads a region.
        limits: Values that an 8-bit image shows as black and as white, the same in every region.
    """

    shape: tuple[int, int]
    read: Callable[[Region], Loaded]
    limits: tuple[float, float]


def open_regions(path: Path, reader: ImageReader) -> Regions:
    """Open an image to read regions of it.

    ``.npy`` arrays of RGB bytes are mapped. Slides are read by OpenSlide, which caches a few tiles,
    if the network takes 8-bit colour images. The reader loads all other images as a whole.

    Args:
        path: The file.
        reader: Reads images as the network wants them.

    Raises:
        InputError: If the file is damaged or no such image, or it is a slide and OpenSlide is
            missing.
    """
    suffix, opened = path.suffix.lower(), None
    if reader.loader is not None:  # a loader of the user's own reads these files itself
        if suffix == '.npy':
            opened = open_array(path)
        elif suffix in SLIDE_SUFFIXES or (suffix in ('.tif', '.tiff') and reader.is_plain):
            opened = open_slide(path)
        if suffix in SLIDE_SUFFIXES and not opened:
            raise InputError(f'{path}: OpenSlide cannot read it, or is missing (extra "slides")')
    if opened:
        shape, read = opened
        return Regions(shape, lambda region: reader.from_bgr(read(region), str(path)), (0.0, 255.0))
    image = reader.read(path)
    limits = display_range(image['img'])
    return Regions(image['img'].shape[:2], lambda region: part_of(image, region), limits)


def open_array(path: Path) -> tuple[tuple[int, int], ReadPixels]:
    """Shape and reader of regions of an array (H, W, 3) of RGB bytes; see ``open_regions``."""
    check_regular(path)
    try:
        array = np.load(path, mmap_mode='r')
    except OSError:
        raise
    except Exception as error:  # of a header; objects are not read
        raise InputError(f'{path}: is no array ({error})') from error
    if not array.size:
        raise InputError(f'{path}: is of shape {array.shape}, without a pixel')
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise InputError(
            f'{path}: must be uint8 of shape (H, W, 3), RGB; is {array.dtype} {array.shape}'
        )

    def read(region: Region) -> NDArray[np.uint8]:
        # mapped anew each time: the pages of a mapping stay in memory as long as it
        return np.load(path, mmap_mode='r')[region][..., ::-1].copy()

    return array.shape[:2], read


def open_slide(path: Path) -> tuple[tuple[int, int], ReadPixels] | None:
    """Shape and reader of regions of a slide at full resolution; see ``open_regions``.

    Returns:
        ``None`` if OpenSlide is missing or does not know the format.
    """
    try:
        from openslide import OpenSlide, OpenSlideError
    except ImportError:
        return None
    if OpenSlide.detect_format(path) is None:
        return None
    try:
        slide = OpenSlide(path)
    except OpenSlideError as error:
        raise InputError(f'{path}: {error}') from error

    def read(region: Region) -> NDArray[np.uint8]:
        rows, columns = region
        size = columns.stop - columns.start, rows.stop - rows.start
        try:
            pixels = slide.read_region((columns.start, rows.start), 0, size)
        except OpenSlideError as error:
            raise InputError(f'{path}: {error}') from error
        image = Image.new('RGB', size, 'white')  # where nothing was scanned
        image.paste(pixels, mask=pixels.getchannel('A'))
        return np.asarray(image)[..., ::-1].copy()

    width, height = slide.dimensions
    return (height, width), read
