"""Label arrays and PNG files."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .atomic_io import replacing

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a PNG to a temporary name beside ``path`` and rename it."""
    with replacing(path) as temporary:
        is_encoded, data = cv2.imencode('.png', image)
        if not is_encoded:
            raise InputError(f'{path}: a PNG cannot hold an image of shape {image.shape}')
        temporary.write_bytes(data)


Label = NDArray[np.uint8 | np.uint16]  # (H, W); 16 bits above 256 classes
