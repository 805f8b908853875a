"""Limit the pixels of label files, in place of Pillow's guard against decompression bombs.

Pillow refuses images above 179 million pixels; OpenCV, which reads the images, those above 2**30.
Labels may be as large as images, so they have OpenCV's limit here. The environment variable
``MMSEG_EFF_MAX_PIXELS`` sets another one for labels, ``OPENCV_IO_MAX_IMAGE_PIXELS`` for images.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO
from unittest import mock

from PIL import Image, UnidentifiedImageError

from .file_limit import limit_from

VARIABLE = 'MMSEG_EFF_MAX_PIXELS'
BY_PROGRAMS = ('EPS', 'WMF')  # drawn by other programs; Pillow itself reads the header only
OF_OPENCV = 'OPENCV_IO_MAX_IMAGE_PIXELS'


def max_pixels(default: int = 2**30) -> int:
    """The largest number of pixels of a label.

    Args:
        default: Where the environment variable is not set.

    Raises:
        InputError: See ``limit_from``.
    """
    return limit_from(VARIABLE, default)


def max_image_pixels() -> int:
    """The largest number of pixels of an image file; OpenCV reads it from the environment, too."""
    value = os.environ.get(OF_OPENCV, '')
    return int(value) if value.isdecimal() else 2**30


def open_limited(file: str | BinaryIO, formats: tuple[str, ...] | None = None) -> Image.Image:
    """Open an image by Pillow, which reads its header, without its warnings.

    Args:
        file: Path or open file.
        formats: Pillow's names of the formats to try; all by default.

    Raises:
        DecompressionBombError: If it holds more than ``max_pixels``; says how to allow them.
        UnidentifiedImageError: If it is none, or of a format that Pillow lets a program draw.
    """
    with mock.patch.object(Image, 'MAX_IMAGE_PIXELS', None):
        image = Image.open(file, formats=formats)
    if image.format in BY_PROGRAMS:
        raise UnidentifiedImageError(f'{image.format} would be drawn by another program')
    width, height = image.size
    if width * height > max_pixels():
        raise Image.DecompressionBombError(
            f'{width}x{height} are more than {max_pixels()} pixels (environment variable '
            f'{VARIABLE})'
        )
    return image


def too_large(path: str) -> str:
    """Why OpenCV refuses an image file for its size, for a message; empty for other files."""
    try:
        with mock.patch.object(Image, 'MAX_IMAGE_PIXELS', None), Image.open(path) as image:
            width, height = image.size
    except Exception:  # no image, of which Pillow raises errors of any type
        return ''
    limit = max_image_pixels()
    if width * height <= limit:
        return ''
    return (
        f': {width}x{height} are more than {limit} pixels (environment variable {OF_OPENCV}; '
        'tools/predict.py --tile reads slides and .npy of any size)'
    )


@contextmanager
def pixel_limit() -> Iterator[None]:
    """Let Pillow open images of up to ``max_pixels`` in this block, without its warnings."""
    limit = max_pixels() // 2  # Pillow refuses above twice its number
    with mock.patch.object(Image, 'MAX_IMAGE_PIXELS', limit), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield
