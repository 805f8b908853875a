"""Labels of another tool as label maps: their classes, and an item for each image."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, OutputError
from ..utils.pixel_limit import VARIABLE, max_pixels

MAX_PIXELS = 2**27  # of a label: a few bytes of a file ask for it
LONGEST_NAME = 200  # bytes of a file or folder; 255 hold a temporary name as well
LISTED = 8  # names or values that an error lists at most

LabelMap = NDArray[np.uint8]  # (H, W)


@dataclass(frozen=True)
class LabelItem:
    """The label of one image.

    Attributes:
        name: Of the image, with folders and without suffix.
        size: Height and width.
        draw: Returns the label map (H, W): indices of the classes, and 255 for ignored pixels.
            Raises ``InputError``, which names the file, if it is damaged.
    """

    name: str
    size: tuple[int, int]
    draw: Callable[[], LabelMap]


@dataclass(frozen=True)
class LabelSource:
    """Labels of another tool.

    Attributes:
        classes: Name of each label, in the order of the labels.
        palette: RGB colour of each class.
        items: One for each image.
        left_out: How many of what is not drawn; complete when all items have been drawn.
        fill: Label of the pixels outside of all objects; ``None`` of masks, which hold no objects.
        skips_empty: Whether an image without an object is left out.
    """

    classes: tuple[str, ...]
    palette: list[list[int]]
    items: list[LabelItem]
    left_out: Counter[str] = field(default_factory=Counter)
    fill: int | None = None
    skips_empty: bool = False

    def notes(self) -> list[str]:
        """What was left out, a line each."""
        return [f'{count} {what}' for what, count in self.left_out.items()]


def label_name(given: object) -> str:
    """Name of a label: an image's path without suffix, below the folder of the images.

    Raises:
        InputError: If the path leads elsewhere or is no name.
    """
    name = PurePosixPath(str(given).replace('\\', '/'))
    if (
        not isinstance(given, str)
        or name.is_absolute()
        or '..' in name.parts
        or re.match('[A-Za-z]:', given)  # a drive of Windows
        or not name.name
        or not given.isprintable()
    ):
        raise InputError(f'image {given!r:.200}: expected a path below the folder of the images')
    if max(len(part.encode()) for part in name.parts) > LONGEST_NAME:
        raise InputError(f'image {given!r:.60}: a name of more than {LONGEST_NAME} bytes')
    return str(name.with_suffix(''))


def check_unique(items: Sequence[LabelItem]) -> None:
    """Refuse two images of one name, whose labels would be one file, and sources of none."""
    if not items:
        raise InputError('holds no image with labels')
    counts = Counter(item.name for item in items)
    name, count = counts.most_common(1)[0]
    if count > 1:
        raise InputError(f'{count} images have the name {name!r} (without suffix)')


def check_size(height: object, width: object) -> tuple[int, int]:
    """Height and width of a label; refuses what is none and what does not fit into memory."""
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise InputError(f'size {height!r} x {width!r} (height, width); expected whole numbers')
    limit = max_pixels(MAX_PIXELS)
    if height * width > limit:
        raise InputError(
            f'size {height} x {width} (height, width); at most {limit} pixels (environment '
            f'variable {VARIABLE})'
        )
    return height, width


@contextmanager
def naming(where: object) -> Iterator[None]:
    """Put the name of a file, or a place in it, before the message of an ``InputError``."""
    try:
        yield
    except OutputError:
        raise
    except InputError as error:
        message = str(error)
        if not message.startswith(f'{where}: '):  # as the readers of files name them already
            message = f'{where}: {message}'
        raise InputError(message) from error


def listed(values: Sequence[object]) -> str:
    """The first values, separated by commas, and how many more there are."""
    more = f' and {len(values) - LISTED} more' if len(values) > LISTED else ''
    return ', '.join(str(value)[:60] for value in values[:LISTED]) + more
