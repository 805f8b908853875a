"""Types of image and label arrays, and writing of PNG files."""

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
        is_encoded, data = cv2.imencode('.png', image)
        if not is_encoded:
            raise InputError(f'{path}: a PNG cannot hold an image of shape {image.shape}')
        temporary.write_bytes(data.tobytes())
