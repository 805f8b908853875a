"""Find 10- and 12-bit images in 16-bit files, which an 8-bit loader reads as nearly black."""

import io
import logging

import cv2
import numpy as np
from mmengine.logging import print_log
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from ..utils.image_io import ImageArray

DARK = 2**15  # a maximum below it becomes less than half of the 8-bit range
BITS_PER_SAMPLE = 258  # tag of TIFF
_warned = False


def has_16_bits(header: bytes) -> bool:
    """Whether a file may store 16 bits a channel, from its header where possible."""
    if header[:8] == b'\x89PNG\r\n\x1a\n':
        return header[24:25] == b'\x10'
    if header[:2] in (b'II', b'MM'):
        try:
            with Image.open(io.BytesIO(header)) as image:
                if isinstance(image, TiffImageFile):
                    return 16 in image.tag_v2.get(BITS_PER_SAMPLE, ())
        except Exception:  # Pillow reads fewer kinds of TIFF than OpenCV
            pass
        return True
    # PGM, PPM, JPEG 2000
    return header[:2] in (b'P5', b'P6') or header[4:8] == b'jP  ' or header[:4] == b'\xffO\xffQ'


def dark_image(file: str | bytes, loaded: ImageArray) -> str | None:
    """Why an image was read as nearly black: its file stores 16 bits and uses fewer.

    Args:
        file: Path of an image file, or its content.
        loaded: Its pixels as the loader gives them; only 8-bit ranges are affected.

    Returns:
        The reason, for a message; ``None`` for other images.
    """
    if loaded.dtype == np.uint16:
        return None
    try:
        with io.BytesIO(file) if isinstance(file, bytes) else open(file, 'rb') as stream:
            header = stream.read(32)  # enough for most files: every image of a training is checked
            if header[:2] in (b'II', b'MM'):
                header += stream.read(2**16)
            if not has_16_bits(header):
                return None
            data = header + stream.read()
    except OSError:  # a file of another storage backend
        return None
    if loaded.dtype.kind == 'f' and loaded.max(initial=0) > 255:
        return None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if image is None or image.dtype != np.uint16:
        return None
    largest = int(image.max())
    if not 0 < largest < DARK:
        return None
    return (
        f'16-bit file whose largest value is {largest} ({largest.bit_length()} bits): read as 8 '
        f'bits, the largest value becomes {largest >> 8} of 255; load it by '
        "color_type='unchanged' with mean and std of its range, or rescale the files"
    )


def warn_of_dark_image(name: str, loaded: ImageArray, content: bytes | None = None) -> None:
    """Warn of the first such image of a process; ``tools/check_dataset.py`` lists all.

    Args:
        name: Path of the file, or what to call ``content``.
        loaded: See ``dark_image``.
        content: Of the file, if it is in memory.
    """
    global _warned
    if not _warned and (message := dark_image(name if content is None else content, loaded)):
        _warned = True
        print_log(f'{name}: {message}', logger='current', level=logging.WARNING)
