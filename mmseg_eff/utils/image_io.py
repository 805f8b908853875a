"""Types of image and label arrays, and PNG files."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .atomic_io import replacing

ImageArray = NDArray[np.integer | np.floating]  # (H, W) or (H, W, C), from OpenCV or a loader
Label = NDArray[np.uint8 | np.uint16]  # (H, W); 16 bits above 256 classes

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


def write_png(path: Path, image: ImageArray) -> None:
    """Write a PNG file (an atomic write).

    Args:
        path: The file.
        image: Of 8 or 16 bits, (H, W), or BGR or BGRA (H, W, C).

    Raises:
        InputError: If a PNG cannot hold such an image.
        OutputError: If the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(encode_png(image, str(path)))


def encode_png(image: ImageArray, name: str = 'image') -> bytes:
    """The content of a PNG file.

    Args:
        image: See ``write_png``.
        name: What an error calls it.

    Raises:
        InputError: If a PNG cannot hold such an image.
    """
    is_encoded, data = cv2.imencode('.png', image)
    if not is_encoded:
        raise InputError(f'{name}: a PNG cannot hold an image of shape {image.shape}')
    return data.tobytes()
