"""Read tables of colours or values and the classes they stand for."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..datasets.camvid import CamVidDataset
from ..datasets.label_rules import is_byte
from ..errors import InputError
from ..utils.json_files import read_json
from .classes import check_name, read_lines
from .source import naming

Color = tuple[int, int, int]
TABLE_MB = 1
# CamVid's 32 colours (Brostow et al., Pattern Recognition Letters 2009) in the 11 classes of SegNet
# (Badrinarayanan et al., TPAMI 2017), grouped as MathWorks' camvidPixelLabelIDs does; the names are
# those of label_colors.txt.
CAMVID_GROUPS: dict[str, dict[str, Color]] = {
    'Sky': {'Sky': (128, 128, 128)},
    'Building': {
        'Bridge': (0, 128, 64),
        'Building': (128, 0, 0),
        'Wall': (64, 192, 0),
        'Tunnel': (64, 0, 64),
        'Archway': (192, 0, 128),
    },
    'Pole': {'Column_Pole': (192, 192, 128), 'TrafficCone': (0, 0, 64)},
    'Road': {
        'Road': (128, 64, 128),
        'LaneMkgsDriv': (128, 0, 192),
        'LaneMkgsNonDriv': (192, 0, 64),
    },
    'Pavement': {
        'Sidewalk': (0, 0, 192),
        'ParkingBlock': (64, 192, 128),
        'RoadShoulder': (128, 128, 192),
    },
    'Tree': {'Tree': (128, 128, 0), 'VegetationMisc': (192, 192, 0)},
    'SignSymbol': {
        'SignSymbol': (192, 128, 128),
        'Misc_Text': (128, 128, 64),
        'TrafficLight': (0, 64, 64),
    },
    'Fence': {'Fence': (64, 64, 128)},
    'Car': {
        'Car': (64, 0, 128),
        'SUVPickupTruck': (64, 128, 192),
        'Truck_Bus': (192, 128, 192),
        'Train': (192, 64, 128),
        'OtherMoving': (128, 64, 64),
    },
    'Pedestrian': {
        'Pedestrian': (64, 64, 0),
        'Child': (192, 128, 64),
        'CartLuggagePram': (64, 0, 192),
        'Animal': (64, 128, 64),
    },
    'Bicyclist': {'Bicyclist': (0, 128, 192), 'MotorcycleScooter': (192, 0, 192)},
    'void': {'Void': (0, 0, 0)},
}
CAMVID: dict[Color, str] = {
    color: name for name, group in CAMVID_GROUPS.items() for color in group.values()
}
CAMVID_PALETTE = [list(map(int, color)) for color in CamVidDataset.METAINFO['palette']]


def read_color_table(path: Path) -> dict[Color, str]:
    """Name of the class of each colour; several colours may have one name.

    The file is text with a colour and a name a line, in either order and with spaces, tabs, commas,
    semicolons or colons between them, as CamVid's ``label_colors.txt``, CVAT's ``labelmap.txt`` and
    ``class_dict.csv``; or JSON: names with colours, records of ``name`` and ``color``, or
    ``classes`` and ``palette``. A colour is three whole numbers of 0 to 255 or ``#rrggbb``.

    Raises:
        InputError: If it is none of these, or gives two names to a colour.
    """
    with naming(path):
        rows = json_rows(path) if path.suffix == '.json' else text_rows(path)
        table: dict[Color, str] = {}
        for name, color in rows:
            check_name(name)
            if table.setdefault(color, name) != name:
                raise InputError(f'colour {color} is of {table[color]!r} and of {name!r}')
        if not table:
            raise InputError('holds no colour')
        return table


def json_rows(path: Path) -> list[tuple[str, Color]]:
    """Names and colours of a JSON file."""
    content = read_json(path, object, TABLE_MB)
    if isinstance(content, dict) and isinstance(content.get('palette'), list):
        names = content.get('classes')
        if not isinstance(names, list) or len(names) != len(content['palette']):
            raise InputError('has a "palette" without as many "classes"')
        pairs = list(zip(names, content['palette'], strict=True))
    elif isinstance(content, dict):
        pairs = [*content.items()]
    elif isinstance(content, list) and all(isinstance(record, dict) for record in content):
        pairs = [(record.get('name'), record.get('color')) for record in content]
    else:
        raise InputError('expected names with colours, or a list of "name" and "color"')
    return [(name, parse_color(color)) for name, color in pairs]


def parse_color(value: object) -> Color:
    """A colour of three numbers or ``#rrggbb``."""
    if isinstance(value, str) and re.fullmatch('#[0-9a-fA-F]{6}', value):
        red, green, blue = bytes.fromhex(value[1:])
        return red, green, blue
    if isinstance(value, Sequence) and len(value) == 3 and all(is_byte(v) for v in value):
        red, green, blue = value
        return red, green, blue
    raise InputError(f'colour {value!r:.60}; expected three whole numbers of 0 to 255 or #rrggbb')


def text_rows(path: Path) -> list[tuple[str, Color]]:
    """Names and colours of a text file; a first line without a colour is a header."""
    rows: list[tuple[str, Color]] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip() or (
            line.lstrip().startswith('#') and not line.lstrip('# ')[:1].isdigit()
        ):
            continue
        found = re.search(r'(?<!\d)(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})(?!\d)', line)
        if not found:
            if not rows and number == 1:
                continue
            raise InputError(f'line {number}: {line!r:.60}; expected a name and R, G, B')
        before, after = line[: found.start()], line[found.end() :]
        with naming(f'line {number}'):
            name = (before.strip(' \t,;:"') or after).split(':')[0].strip(' \t,;:"')
            rows.append((check_name(name), parse_color([int(part) for part in found.groups()])))
    return rows


def read_value_table(source: str | Path | Mapping[int, str]) -> dict[int, str]:
    """Name of the class of each value of a mask; several values may have one name.

    Args:
        source: The table; or its file: JSON ``{"0": "background", "255": "crack"}``, or text with
            a value and a name a line.

    Raises:
        InputError: If it is neither.
    """
    if isinstance(source, str | Path):
        with naming(source):
            return check_values(file_values(Path(source)))
    return check_values(list(source.items()))


def file_values(path: Path) -> list[tuple[object, object]]:
    """Values and names of a file."""
    if path.suffix == '.json':
        return [*read_json(path, dict, TABLE_MB).items()]
    pairs: list[tuple[object, object]] = []
    for number, line in enumerate(read_lines(path), start=1):
        words = next(csv.reader(io.StringIO(re.sub(r'^\s*(\d+)[\s:;=]+', r'\1,', line))), [])
        if len(words) == 2 and words[0].strip().isdecimal():
            pairs.append((words[0].strip(), words[1].strip()))
        elif words and number > 1:
            raise InputError(f'line {number}: {line!r:.60}; expected a value and a name')
    return pairs


def check_values(pairs: Sequence[tuple[object, object]]) -> dict[int, str]:
    """A table of values and names, checked."""
    table: dict[int, str] = {}
    for value, name in pairs:
        text = str(value)
        if not (text.isascii() and text.isdecimal() and int(text[:6]) < 1 << 16):
            raise InputError(f'value {value!r:.60}; expected a whole number of 0 to 65535')
        if table.setdefault(int(text), check_name(name)) != name:
            raise InputError(f'value {text} is of {table[int(text)]!r} and of {name!r}')
    if not table:
        raise InputError('holds no value')
    return table
