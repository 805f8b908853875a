"""Read, resize and write images with OpenCV or Pillow, whichever is installed.

The export puts a copy of this file beside ``runtime.py``.
"""

import importlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

MOST_RESIZED = 2**28  # pixels that a resize before the network may give
PACKAGES = {
    'cv2': 'opencv-python-headless',
    'PIL.Image': 'pillow',
    'PIL.ImageOps': 'pillow',
    'tifffile': 'tifffile',
}
BITS = 11  # of the fractions in OpenCV's resize of 8-bit images


def find_module(*names: str, reason: str) -> ModuleType:
    """The first of some modules that is installed.

    Raises:
        ValueError: If none is; it names the packages.
    """
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    packages = ' or '.join(PACKAGES[name] for name in names)
    raise ValueError(f'{reason} needs {packages}: pip install {PACKAGES[names[0]]}')


def read_image(path: str | Path, loading: Mapping | None = None) -> NDArray:
    """Read an image, (H, W, C) in BGR or (H, W) in grey, as the loader of the config does.

    PNG files have the same pixels with either package. Decoders of JPEG may differ by some grey
    levels, so the config's own (``imdecode_backend``) is taken where it is installed. A photo is
    turned as its EXIF orientation says, unless the loader ignores that.

    Args:
        path: File of the image.
        loading: ``loading`` of ``report.json``; 8-bit BGR by default.

    Raises:
        ValueError: If it is no image, or what it needs is not installed.
    """
    loading = {'color_type': 'color', 'imdecode_backend': 'cv2', **(loading or {})}
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f'{path}: {error.strerror or error}') from error
    kind, decoder = loading['color_type'], loading['imdecode_backend']
    if decoder == 'tifffile':
        image = find_module('tifffile', reason='this network').imread(io.BytesIO(data))
    elif decoder == 'pillow':
        image = decode_by(find_module('PIL.Image', 'cv2', reason='reading'), data, kind, path)
    elif kind == 'unchanged':  # Pillow would cut 16 bits to 8
        image = decode_by(find_module('cv2', reason='reading unchanged'), data, kind, path)
    else:
        image = decode_by(find_module('cv2', 'PIL.Image', reason='reading'), data, kind, path)
    return image.astype(np.float32) if loading.get('to_float32') else image


def decode_by(module: ModuleType, data: bytes, kind: str, path: str | Path) -> NDArray:
    """Decode an image file with a module of ``read_image``; its arguments and errors."""
    try:
        decode = decode_by_pillow if module.__name__ == 'PIL.Image' else decode_by_opencv
        return decode(module, data, kind)
    except Exception as error:  # Pillow raises many kinds
        detail = f' ({error})' if isinstance(error, ValueError) else ''
        raise ValueError(f'{path}: cannot be decoded as an image{detail}') from error


def decode_by_opencv(cv2: ModuleType, data: bytes, kind: str) -> NDArray:
    flags = dict(
        color=cv2.IMREAD_COLOR, grayscale=cv2.IMREAD_GRAYSCALE, unchanged=cv2.IMREAD_UNCHANGED
    )
    name, _, ignores = kind.partition('_')
    flag = flags[name] | (cv2.IMREAD_IGNORE_ORIENTATION if ignores else 0)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if image is None:
        raise OSError
    return image


def decode_by_pillow(pillow: ModuleType, data: bytes, kind: str) -> NDArray:
    image = pillow.open(io.BytesIO(data))
    if kind in ('color', 'grayscale'):
        image = importlib.import_module('PIL.ImageOps').exif_transpose(image)
    if kind != 'unchanged':
        if image.mode.startswith(('I', 'F')):
            raise ValueError(f'Pillow reads no 8 bits of it: pip install {PACKAGES["cv2"]}')
        image = image.convert('L' if kind.startswith('grayscale') else 'RGB')
    pixels = np.array(image)
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        pixels[..., :3] = pixels[..., 2::-1].copy()  # RGB to BGR
    return pixels


def write_labels(path: Path, labels: NDArray) -> None:
    """Write labels (H, W), uint8 or uint16, as a grey PNG, atomically.

    Raises:
        ValueError: If neither OpenCV nor Pillow is installed.
        OSError: If the file cannot be written.
    """
    module = find_module('cv2', 'PIL.Image', reason='writing PNG files')
    if module.__name__ == 'cv2':
        data = module.imencode('.png', labels)[1].tobytes()
    else:
        file = io.BytesIO()
        module.fromarray(labels).save(file, 'PNG')
        data = file.getvalue()
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def resized_size(height: int, width: int, resize: Mapping) -> tuple[int, int]:
    """Height and width that mmcv's ``Resize`` gives an image."""
    scale = resize['scale']
    if isinstance(scale, float):
        scale = int(width * scale + 0.5), int(height * scale + 0.5)
    if not resize['keep_ratio']:
        return scale[1], scale[0]
    factor = min(max(scale) / max(height, width), min(scale) / min(height, width))
    return int(height * factor + 0.5), int(width * factor + 0.5)


def resize_image(image: NDArray, resize: Mapping) -> NDArray:
    """Resize (H, W, C) as mmcv's ``Resize`` does, bilinear by its backend.

    Raises:
        ValueError: If the size is out of bounds, or what it needs is not installed.
    """
    given = image.shape[:2]
    height, width = resized_size(given[0], given[1], resize)
    if not 0 < height * width <= MOST_RESIZED:
        raise ValueError(f'cannot resize an image of {given} to {height, width}')
    if resize['backend'] == 'cv2':
        return resize_by_opencv(image, height, width)
    pillow = find_module('PIL.Image', reason='the resize of this network')
    pixels = image[..., 0] if image.shape[2] == 1 else image
    resized = pillow.fromarray(pixels).resize((width, height), pillow.Resampling.BILINEAR)
    return np.array(resized).reshape(height, width, -1)


def resize_by_opencv(image: NDArray, height: int, width: int) -> NDArray:
    """OpenCV's bilinear resize of (H, W, C); without OpenCV, the same of 8 bits by numpy."""
    try:
        cv2 = find_module('cv2', reason=f'resizing {image.dtype}')
    except ValueError:
        if image.dtype != np.uint8:
            raise
        return resize_as_opencv(image, height, width)
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized.reshape(height, width, -1)  # OpenCV drops the axis of one channel


def resize_as_opencv(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """OpenCV's ``INTER_LINEAR`` of 8-bit images (H, W, C), to the last bit.

    It takes fractions of 11 bits and cuts the four lowest bits of a row before it weighs rows.
    Half the size is the mean of four pixels, of which halves are rounded to even for two channels
    and for more than four.
    """
    pixels = image.astype(np.int32)
    if image.shape[:2] == (2 * height, 2 * width):
        rows = pixels[::2] + pixels[1::2]
        total = rows[:, ::2] + rows[:, 1::2]
        is_even = image.shape[2] not in (1, 3, 4)
        return (np.rint(total / 4) if is_even else (total + 2) >> 2).astype(np.uint8)
    last = image.shape[1] - 1
    low, fraction = neighbours(image.shape[1], width)
    fraction[(low < 0) | (low >= last)] = 0
    low = low.clip(0, last)
    left, right = (share[:, None] for share in whole_shares(fraction))
    rows = pixels[:, low] * left + pixels[:, (low + 1).clip(0, last)] * right
    low, fraction = neighbours(image.shape[0], height)
    resized = np.full((height, width, image.shape[2]), 2, np.int32)
    for row, share in zip((low, low + 1), whole_shares(fraction), strict=True):
        resized += ((rows >> 4)[row.clip(0, len(rows) - 1)] * share[:, None, None]) >> 16
    return (resized >> 2).astype(np.uint8)


def neighbours(length: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The position before each of ``target`` ones in ``length``, and the fraction beyond it."""
    position = ((np.arange(target) + 0.5) * (length / target) - 0.5).astype(np.float32)
    low = np.floor(position)
    return low.astype(np.intp), position - low


def whole_shares(fraction: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Shares of both neighbours, as whole numbers of ``BITS`` bits."""
    scale = np.float32(2**BITS)
    first, second = np.rint((1 - fraction) * scale), np.rint(fraction * scale)
    return first.astype(np.int32), second.astype(np.int32)
