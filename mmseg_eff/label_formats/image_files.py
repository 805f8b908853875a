"""Image files of labels: their sizes, pixels and names below a folder."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..datasets.transforms import DECODE_ERRORS
from ..errors import InputError
from ..utils.file_limit import check_file
from ..utils.image_io import IMAGE_SUFFIXES
from ..utils.pixel_limit import open_limited
from .source import check_size, listed, naming

OF_MACOS = '__MACOSX'  # folder of the system's own files in its zip files
ORIENTATION, TURNED = 274, (5, 6, 7, 8)  # Exif's tag, and its values for a quarter turn


def find_images(folder: Path, ending: str = '') -> list[Path]:
    """The image files below a folder, sorted; hidden ones are left out.

    Args:
        folder: The folder.
        ending: What their names end in, such as ``'_mask.png'``; without, all images.

    Raises:
        InputError: If there is none.
    """
    if not folder.is_dir():
        raise InputError(f'{folder}: no such folder')
    paths = [
        path for path in sorted(visible_files(folder, IMAGE_SUFFIXES)) if path.name.endswith(ending)
    ]
    if not paths:
        raise InputError(f'{folder}: holds no image ({ending or ", ".join(IMAGE_SUFFIXES)})')
    return paths


def visible_files(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """The files below a folder that have one of the suffixes, in any case, and are not hidden."""
    for path in folder.rglob('*'):
        if path.suffix.lower() in suffixes and not any(
            part.startswith('.') or part == OF_MACOS for part in path.relative_to(folder).parts
        ):
            yield path


def open_image(path: Path) -> Image.Image:
    """Open an image file and read its header.

    Raises:
        InputError: If it is missing, no image, or too large; names the file.
    """
    check_file(path)
    try:
        image = open_limited(str(path))
    except Image.DecompressionBombError as error:
        raise InputError(f'{path}: {error}') from error
    except DECODE_ERRORS as error:
        raise InputError(f'{path}: cannot be decoded as an image') from error
    width, height = image.size
    with naming(path):
        check_size(height, width)
    return image


def image_size(path: Path, *, as_shown: bool = False) -> tuple[int, int]:
    """Height and width of an image file; ``as_shown``: after the rotation that Exif asks for."""
    with open_image(path) as image:
        return size_as_shown(image) if as_shown else (image.height, image.width)


def size_as_shown(image: Image.Image) -> tuple[int, int]:
    """Height and width of an open image after the rotation that Exif asks for."""
    try:
        is_turned = image.getexif().get(ORIENTATION) in TURNED
    except DECODE_ERRORS:  # damaged Exif, which other readers ignore as well
        is_turned = False
    return (image.width, image.height) if is_turned else (image.height, image.width)


def size_of_data(data: bytes) -> tuple[int, int]:
    """Height and width, as it is shown, of an image that a text file holds.

    Raises:
        InputError: If it is no image, or too large.
    """
    try:
        with open_limited(io.BytesIO(data)) as image:
            return check_size(*size_as_shown(image))
    except (Image.DecompressionBombError, *DECODE_ERRORS) as error:
        raise InputError('cannot be decoded as an image') from error


def decode(image: Image.Image, mode: str | None = None) -> NDArray:
    """Pixels of an open image, in another of Pillow's modes if one is named.

    Raises:
        InputError: If it is damaged.
    """
    try:
        return np.asarray(image.convert(mode) if mode else image)
    except DECODE_ERRORS as error:
        raise InputError(f'cannot be decoded ({str(error) or "no memory"})') from error


def decode_mask(data: bytes, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (H, W) of an image that a text file holds; its size is checked before it is decoded.

    Raises:
        InputError: If it is no image, or of another size.
    """
    try:
        image = open_limited(io.BytesIO(data))
    except (Image.DecompressionBombError, *DECODE_ERRORS) as error:
        raise InputError('mask cannot be decoded as an image') from error
    if image.size != size[::-1]:
        raise InputError(f'mask of {image.height} x {image.width} pixels; its place is {size}')
    pixels = decode(image)
    return np.asarray(pixels.any(-1)) if pixels.ndim == 3 else pixels.astype(bool)


def name_below(path: Path, folder: Path) -> str:
    """Name of a file's label: its path below a folder, without suffix."""
    return path.relative_to(folder).with_suffix('').as_posix()


def only_file(source: Path, patterns: Sequence[str], what: str) -> Path:
    """``source``, or the one file of a name in the folder ``source``, else in those below it.

    Raises:
        InputError: If there is none or more than one.
    """
    if not source.is_dir():
        check_file(source)
        return source
    found = [path for pattern in patterns for path in source.glob(pattern)]
    if not found:
        found = [path for pattern in patterns for path in source.rglob(pattern)]
    if len(found) != 1:
        names = listed(sorted(path.relative_to(source) for path in found))
        raise InputError(
            f'{source}: holds {len(found)} files {" or ".join(patterns)}'
            f'{f" ({names})" if found else ""}; expected {what}: name it'
        )
    return found[0]
