"""Regions of images that need not fit into memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError
from .sources import IMAGE_SUFFIXES, read_image

SLIDE_SUFFIXES = ('.bif', '.mrxs', '.ndpi', '.scn', '.svs', '.svslide', '.vms')
REGION_SUFFIXES = (*IMAGE_SUFFIXES, '.npy', *SLIDE_SUFFIXES)

Region = tuple[slice, slice]  # rows, columns
Read = Callable[[Region], NDArray[np.uint8]]  # region -> BGR (h, w, 3)


def open_regions(path: Path) -> tuple[tuple[int, int], Read]:
    """The shape (H, W) of an image, and a function that reads regions of it.

    Arrays are mapped and slides read by OpenSlide, which caches a few tiles; other images are
    decoded here and stay in memory, 3 bytes a pixel.

    Raises:
        InputError: If it is damaged, of another kind, or a slide and OpenSlide is missing.
    """
    suffix = path.suffix.lower()
    if suffix == '.npy':
        return open_array(path)
    if suffix in (*SLIDE_SUFFIXES, '.tif', '.tiff') and (opened := open_slide(path)):
        return opened
    if suffix in SLIDE_SUFFIXES:
        raise InputError(f'{path}: OpenSlide cannot read it, or is missing (extra "slides")')
    image = read_image(path)
    return image.shape[:2], lambda region: image[region]


def open_array(path: Path) -> tuple[tuple[int, int], Read]:
    """``open_regions`` of an array (H, W, 3) of RGB bytes."""
    try:
        array = np.load(path, mmap_mode='r')
    except (EOFError, ValueError) as error:
        raise InputError(f'{path}: is no array ({error})') from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise InputError(
            f'{path}: must be uint8 of shape (H, W, 3), RGB; is {array.dtype} {array.shape}'
        )

    def read(region: Region) -> NDArray[np.uint8]:
        # mapped anew each time: pages of a mapping stay in the process as long as it does
        return np.load(path, mmap_mode='r')[region][..., ::-1].copy()

    return array.shape[:2], read


def open_slide(path: Path) -> tuple[tuple[int, int], Read] | None:
    """``open_regions`` of a slide at full resolution; ``None`` without OpenSlide, or for others."""
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
