"""Size, channels and depth of a dataset's images, and the mean and std of unusual ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..datasets.image_reader import ImageReader
from ..errors import InputError

SAMPLE = 64  # images that are read, evenly spaced
AS_STORED = (dict(type='LoadCheckedImage', color_type='unchanged'),)


class ImageFacts(NamedTuple):
    """What the images of a dataset are.

    Attributes:
        size: Median height and width.
        channels: Of the images as training reads them.
        depth: Of a value, such as ``'uint8'``.
        is_photo: Whether they are read as 8-bit colour, grey ones and constant alpha included.
        mean: Of all values; ``None`` for photos, whose weights bring theirs.
        std: Likewise.
    """

    size: tuple[int, int]
    channels: int
    depth: str
    is_photo: bool
    mean: float | None = None
    std: float | None = None

    @property
    def kind(self) -> str:
        """In words."""
        if self.is_photo:
            return '8-bit colour'
        return f'{self.channels} channel{"s" if self.channels > 1 else ""} of {self.depth}'


def read_image_facts(paths: Sequence[Path]) -> ImageFacts:
    """Facts of the images, from a sample of them.

    Raises:
        InputError: If one cannot be decoded, or they differ in channels or depth.
    """
    reader = ImageReader(AS_STORED)
    sizes: list[tuple[int, int]] = []
    kinds: dict[tuple[int, str], Path] = {}
    has_alpha, sums = False, np.zeros(3)
    for path in paths[:: -(-len(paths) // SAMPLE)]:
        image = reader.read(path)['img']
        image = image[..., None] if image.ndim == 2 else image
        sizes.append(image.shape[:2])
        kinds.setdefault((image.shape[2], str(image.dtype)), path)
        if image.shape[2] == 4 and image.dtype == np.uint8:
            has_alpha |= bool(image[..., 3].min() < 255)
        values = np.nan_to_num(image.astype(np.float64))
        sums += values.sum(), (values**2).sum(), values.size
    height, width = (int(side) for side in np.median(np.array(sizes), axis=0))
    size = height, width
    is_photo = all(depth == 'uint8' and count <= 4 for count, depth in kinds)
    if is_photo and not (has_alpha and set(kinds) == {(4, 'uint8')}):
        return ImageFacts(size, 3, 'uint8', True)
    if len(kinds) > 1:
        (first, path), (second, other), *_ = kinds.items()
        raise InputError(
            f'{path}: has {first[0]} channels of {first[1]}, but {other} has {second[0]} of '
            f'{second[1]}; a network reads one kind of images'
        )
    ((channels, depth),) = kinds
    mean = sums[0] / sums[2]
    std = max(np.sqrt(max(sums[1] / sums[2] - mean**2, 0)), 1e-6)
    return ImageFacts(size, channels, depth, False, float(f'{mean:.4g}'), float(f'{std:.4g}'))
