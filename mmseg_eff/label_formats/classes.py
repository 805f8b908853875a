"""Classes of labels: those that a caller chose, and those that the objects of a file name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..datasets.label_rules import check_palette
from ..errors import InputError
from ..utils.file_limit import check_file
from ..utils.json_files import read_json
from .source import listed, naming

IGNORED, BACKGROUND = 255, 'background'
IGNORED_NAMES = ('__ignore__', 'ignore', 'ignored', 'unlabeled', 'unlabelled', 'void')
BACKGROUND_NAMES = (BACKGROUND, '_background_')  # the latter is labelme's
NO_LISTS = ('.py', '.yaml', '.yml', '.xml', '.csv')  # files that hold more than names
LIST_MB = 1

Classes = Sequence[str] | Path  # names, or a file of them, see ``class_list``


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


def class_list(classes: Classes) -> ClassList:
    """The chosen classes.

    Args:
        classes: Names; or a file: ``metainfo.json`` of an earlier conversion, or text of one name a
            line. Lines that begin with ``#``, and names of ``IGNORED_NAMES``, which labelme's files
            begin with, are no classes there.

    Raises:
        InputError: If it is no such file, or names are empty or not unique.
    """
    if isinstance(classes, str):
        raise InputError(f'classes {classes!r}: expected a list of names, or a file of them')
    if not isinstance(classes, Path):
        return named_classes(list(classes), 'classes')
    if classes.suffix != '.json':
        return named_classes(read_names(classes), str(classes))
    metainfo = read_json(classes)
    names = metainfo.get('classes')
    if not isinstance(names, list) or 'palette' not in metainfo:
        raise InputError(f'{classes}: no "classes" and "palette" of an earlier conversion')
    known = named_classes(names, str(classes))
    palette = check_palette(metainfo['palette'], str(classes))
    if len(palette) != len(names):
        raise InputError(f'{classes}: {len(palette)} colours for {len(names)} classes')
    return ClassList(known.names, [list(color) for color in palette])


def read_names(path: Path) -> list[str]:
    """The names in a text file of one a line, see ``class_list``."""
    if path.suffix in NO_LISTS:
        raise InputError(f'{path}: expected metainfo.json, or text of one name a line')
    lines = [line.strip() for line in read_lines(path)]
    names = [line for line in lines if line and not line.startswith('#')]
    return [name for name in names if name.lower() not in IGNORED_NAMES]


def read_lines(path: Path, limit: int = LIST_MB) -> list[str]:
    """The lines of a text file in UTF-8, with or without a byte order mark, of any line ends.

    Raises:
        InputError: If it is no text, empty, or of more than ``limit`` MB.
    """
    check_file(path, limit)
    try:
        return path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f'{path}: not text in UTF-8 ({error})') from error


def named_classes(names: Sequence[object], where: str) -> ClassList:
    """Classes of names, with VOC's colours."""
    with naming(where):
        known = tuple(check_name(name) for name in names)
        check_count(len(known))
        if len(set(known)) != len(known) or not known:
            raise InputError(f'classes {listed(known)}; expected at least one, each once')
    return ClassList(known, colors(len(known)))


def colors(count: int) -> list[list[int]]:
    """VOC's colours of ``count`` labels: bits of the label in turn, from the highest down."""
    return [
        [
            sum((label >> 3 * bit + channel & 1) << 7 - bit for bit in range(8))
            for channel in range(3)
        ]
        for label in range(count)
    ]
