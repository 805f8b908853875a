"""Labels of another tool as label maps: their classes, and an item for each image."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..datasets.coco_labels import BACKGROUND, IGNORED, MAX_PIXELS, colors
from ..datasets.label_rules import check_palette
from ..errors import InputError, OutputError
from ..utils.file_limit import check_file
from ..utils.json_files import read_json
from ..utils.pixel_limit import VARIABLE, max_pixels

IGNORED_NAMES = ('__ignore__', 'ignore', 'ignored', 'unlabeled', 'unlabelled', 'void')
BACKGROUND_NAMES = (BACKGROUND, '_background_')  # the latter is labelme's
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
    """

    classes: tuple[str, ...]
    palette: list[list[int]]
    items: list[LabelItem]
    left_out: Counter[str] = field(default_factory=Counter)

    def notes(self) -> list[str]:
        """What was left out, a line each."""
        return [f'{count} {what}' for what, count in self.left_out.items()]


@dataclass(frozen=True)
class ClassList:
    """Classes that a caller chose.

    Attributes:
        names: In the order of the labels.
        palette: RGB colour of each class.
    """

    names: tuple[str, ...]
    palette: list[list[int]]


@dataclass(frozen=True)
class ObjectClasses:
    """What the objects of a format are drawn as.

    Attributes:
        names: Of the labels, in their order.
        palette: RGB colour of each class.
        labels: Label of each name of an object, 255 of the names in ``IGNORED_NAMES``.
        fill: Label of the pixels outside of all objects.
    """

    names: tuple[str, ...]
    palette: list[list[int]]
    labels: dict[str, int]
    fill: int


def object_classes(found: Sequence[str], chosen: ClassList | None = None) -> ObjectClasses:
    """The labels of objects by their names.

    Args:
        found: Names of the objects in the files.
        chosen: Classes to use. Without them, ``found`` become 1, 2, … in their order on a
            background of 0. With them, each name has its index; where none of them is a background,
            pixels outside of all objects are ignored.

    Raises:
        InputError: If there is no name, there are more than 8 bits hold, or a name found is not
            among the chosen ones.
    """
    unique = list(dict.fromkeys(found))
    ignored = dict.fromkeys((n for n in unique if n.lower() in IGNORED_NAMES), IGNORED)
    if chosen is None:
        drawn = [n for n in unique if n not in ignored and n.lower() not in BACKGROUND_NAMES]
        for name in drawn:
            check_name(name)
        check_count(len(drawn) + 1)
        if not drawn:
            raise InputError('holds no object of a class')
        names, palette = (BACKGROUND, *drawn), colors(len(drawn) + 1)
    else:
        names, palette = chosen.names, chosen.palette
    labels = ignored | {name: label for label, name in enumerate(names)}
    background = next((i for i, n in enumerate(names) if n.lower() in BACKGROUND_NAMES), None)
    fill = IGNORED if background is None else background
    labels |= {n: fill for n in unique if n.lower() in BACKGROUND_NAMES and n not in labels}
    for name in unique:
        if name not in labels:
            raise InputError(f'class {name!r} is none of the chosen ones: {listed(names)}')
    return ObjectClasses(names, palette, labels, fill)


def check_name(name: object) -> str:
    """A name of a class; refuses what is none or cannot be printed in a line."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise InputError(f'class name {name!r}; expected a word')
    return name


def check_count(count: int) -> None:
    """Refuse more classes than labels of 8 bits hold beside the ignored 255."""
    if count > IGNORED:
        raise InputError(f'{count} classes; labels of 8 bits hold {IGNORED} beside 255 (ignored)')


def class_list(classes: Sequence[str] | Path) -> ClassList:
    """The chosen classes.

    Args:
        classes: Names; or a file: ``metainfo.json`` of an earlier conversion, or one name a line.

    Raises:
        InputError: If it is no such file, or names are empty or not unique.
    """
    if not isinstance(classes, Path):
        return named_classes(list(classes), 'classes')
    if classes.suffix != '.json':
        check_file(classes, 1)
        try:
            lines = classes.read_text(encoding='utf-8').splitlines()
        except UnicodeDecodeError as error:
            raise InputError(f'{classes}: not text in UTF-8 ({error})') from error
        return named_classes([line.strip() for line in lines if line.strip()], str(classes))
    metainfo = read_json(classes)
    names = metainfo.get('classes')
    if not isinstance(names, list) or 'palette' not in metainfo:
        raise InputError(f'{classes}: no "classes" and "palette" of an earlier conversion')
    known = named_classes(names, str(classes))
    palette = check_palette(metainfo['palette'], str(classes))
    if len(palette) != len(names):
        raise InputError(f'{classes}: {len(palette)} colours for {len(names)} classes')
    return ClassList(known.names, [list(color) for color in palette])


def named_classes(names: Sequence[object], where: str) -> ClassList:
    """Classes of names, with VOC's colours."""
    with naming(where):
        known = tuple(check_name(name) for name in names)
        check_count(len(known))
        if len(set(known)) != len(known) or not known:
            raise InputError(f'classes {listed(known)}; expected at least one, each once')
    return ClassList(known, colors(len(known)))


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
        or ':' in given
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
        raise InputError(f'{where}: {error}') from error


def listed(values: Sequence[object]) -> str:
    """The first values, separated by commas, and how many more there are."""
    more = f' and {len(values) - LISTED} more' if len(values) > LISTED else ''
    return ', '.join(str(value)[:60] for value in values[:LISTED]) + more
