"""Limit the pixels of label files, in place of Pillow's guard against decompression bombs.

Pillow refuses images above 179 million pixels; OpenCV, which reads the images, those above 2**30.
Labels may be as large as images, so they have OpenCV's limit here. The environment variable
``MMSEG_EFF_MAX_PIXELS`` sets another one for labels, ``OPENCV_IO_MAX_IMAGE_PIXELS`` for images.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from PIL import Image

from ..errors import InputError

VARIABLE = 'MMSEG_EFF_MAX_PIXELS'


def max_pixels() -> int:
    """The largest number of pixels of a label file.

    Raises:
        InputError: If the environment variable holds no whole number above 0.
    """
    value = os.environ.get(VARIABLE, str(2**30))
    if not value.isdecimal() or int(value) == 0:
        raise InputError(f'{VARIABLE} must be a whole number above 0, got {value!r}')
    return int(value)


@contextmanager
def pixel_limit() -> Iterator[None]:
    """Let Pillow open images of up to ``max_pixels`` in this block, without its warnings."""
    limit = max_pixels() // 2  # Pillow refuses above twice its number
    with mock.patch.object(Image, 'MAX_IMAGE_PIXELS', limit), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield
