"""Find the names of a dataset's classes in the files that usually hold them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..label_formats.classes import check_name, named_classes, read_lines
from ..label_formats.masks import TABLE_FILES
from ..label_formats.tables import TABLE_MB, read_color_table, read_value_table
from ..utils.json_files import read_json

NAMES = (
    *('classes.txt', 'class_names.txt', 'names.txt', 'labels.txt'),
    *('classes.json', 'metainfo.json', 'class_names.json', 'labels.json', 'label_map.json'),
)
NUMBERED = re.compile(r'\s*\d+[\s:;=,]+\S')


class ClassFile(NamedTuple):
    """What a file says of the classes.

    Attributes:
        path: The file.
        names: Of the classes, in the order of the file.
        values: Name of each value of a label, if it says so.
        has_colors: Whether it is a table of colours.
    """

    path: Path
    names: list[str]
    values: dict[int, str] | None = None
    has_colors: bool = False


def find_class_file(folders: Sequence[Path]) -> ClassFile | None:
    """The first file of a usual name in some folders, read; ``None`` if there is none.

    Text has a name a line, or a value and a name, or a colour and a name (``label_colors.txt``,
    ``class_dict.csv``); JSON a list of names, names by value or the reverse, records of ``id`` and
    ``name``, or ``classes`` as a conversion writes.

    Raises:
        InputError: If a file of such a name is none of these.
    """
    for folder in dict.fromkeys(folders):
        for name in (*NAMES, *TABLE_FILES):
            if (path := folder / name).is_file():
                if name in TABLE_FILES:
                    table = read_color_table(path)
                    return ClassFile(path, list(dict.fromkeys(table.values())), has_colors=True)
                return read_names(path)
    return None


def read_names(path: Path) -> ClassFile:
    """The names in a file of text or JSON.

    Raises:
        InputError: If it holds none.
    """
    if path.suffix != '.json':
        lines = [line.strip() for line in read_lines(path)]
        lines = [line for line in lines if line and not line.startswith('#')]
        if lines and all(NUMBERED.match(line) for line in lines):
            return of_values(path, read_value_table(path))
        return ClassFile(path, list(named_classes(lines, str(path)).names))
    content = read_json(path, object, TABLE_MB)
    if isinstance(content, dict) and isinstance(content.get('classes'), list):
        content = content['classes']
    if isinstance(content, list):
        if content and all(isinstance(item, dict) for item in content):
            if all('id' in item for item in content):
                pairs = {item['id']: item.get('name') for item in content}
                return of_values(path, read_value_table(pairs))
            content = [item.get('name') for item in content]
        return ClassFile(path, [check_name(name) for name in content])
    if isinstance(content, dict) and content:
        if all(isinstance(value, int) for value in content.values()):
            content = {value: name for name, value in content.items()}
        if all(isinstance(value, str) for value in content.values()):
            return of_values(path, read_value_table(content))
        table = read_color_table(path)
        return ClassFile(path, list(dict.fromkeys(table.values())), has_colors=True)
    raise InputError(f'{path}: expected names of classes, or a name for each value')


def of_values(path: Path, table: dict[int, str]) -> ClassFile:
    """A file that names each value."""
    ordered = dict(sorted(table.items()))
    return ClassFile(path, list(dict.fromkeys(ordered.values())), ordered)
