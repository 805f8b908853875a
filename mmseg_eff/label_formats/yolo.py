"""Read YOLO's segmentation labels: text files of polygons beside images, and ``data.yaml``."""

import os.path
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import yaml  # type: ignore[import-untyped]

from ..errors import InputError
from ..utils.file_limit import DEFAULT, check_file
from .classes import Classes, ObjectClasses, check_name, class_list, object_classes, read_lines
from .coco import draw_objects
from .image_files import find_images, image_size, name_below, only_file
from .source import LabelItem, LabelMap, LabelSource, check_unique, listed, naming

SPLITS = ('train', 'val', 'test')
ALIASES = {'val': ('valid', 'validation')}  # other names of a split in data.yaml
LIST_MB = 64  # of a list of images
LONGEST, DEEPEST = 100_000, 16  # characters and levels of data.yaml
OUTSIDE = 0.01  # that a corner may be beyond the image's sides, as the tools round

BOX = 'boxes without a polygon'
NO_FILE = 'images without a label file, which are background'


def read_yolo(
    source: Path, classes: Classes | None = None, split: str | None = None
) -> LabelSource:
    """Labels of YOLO for segmentation: ``class x1 y1 x2 y2 …`` in shares of the image's sides.

    A label file stands where its image does, with ``labels`` in place of the last ``images`` of
    the path, or beside it. Larger polygons are drawn first, so that small objects stay visible, as
    ultralytics does. Rows of boxes are left out. Sizes are those of the images as they are shown.

    Args:
        source: ``data.yaml``, or its folder.
        classes: See ``class_list``; without, ``names`` of the file.
        split: ``'train'``, ``'val'`` or ``'test'``; without, all, as folders of these names.

    Raises:
        InputError: If a file is damaged, or the images are not there.
    """
    chosen = None if classes is None else class_list(classes)
    path = only_file(source, ['data.yaml', 'data.yml'], "YOLO's data.yaml")
    left_out = Counter[str]()
    with naming(path):
        config = read_config(path)
        names = class_names(config.get('names'))
        meaning = object_classes([*names.values()], chosen)
        labels = {index: meaning.labels[name] for index, name in names.items()}
        items = []
        for key in SPLITS if split is None else (split,):
            for folder in folders_of(config, key, path, is_wanted=split is not None):
                for image, below in images_of(folder):
                    name = below if split else f'{key}/{below}'
                    items.append(item_of(image, name, labels, meaning, left_out))
        check_unique(items)
    return LabelSource(meaning.names, meaning.palette, items, left_out, meaning.fill)


def read_config(path: Path) -> dict:
    """The content of ``data.yaml``; refuses what takes a YAML parser much time or memory."""
    check_file(path)
    try:
        text = path.read_text(encoding='utf-8-sig')
        check_yaml(text)
        config = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f'not YAML ({" ".join(str(error).split())[:200]})') from error
    if not isinstance(config, dict) or 'names' not in config:
        raise InputError('has no "names"; expected YOLO\'s data.yaml')
    return config


def check_yaml(text: str) -> None:
    """Refuse long and deep YAML, and aliases, by which a small file can ask for much."""
    if len(text) > LONGEST:
        raise InputError(f'has {len(text)} characters; at most {LONGEST}')
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise InputError(f'is more than {DEEPEST} levels deep')
        if isinstance(event, yaml.AliasEvent):
            raise InputError(f'holds the YAML alias *{event.anchor:.60}; write the value itself')


def class_names(names: object) -> dict[int, str]:
    """Names by index, of a list or a table."""
    if isinstance(names, list):
        names = dict(enumerate(names))
    if isinstance(names, dict):  # some write the indices as text
        names = {int(i) if re.fullmatch('[0-9]{1,9}', str(i)) else i: n for i, n in names.items()}
    if not isinstance(names, dict) or not all(type(index) is int for index in names):
        raise InputError(f'names {names!r:.60}; expected a list, or a table by whole numbers')
    return {index: check_name(name) for index, name in names.items()}


def folders_of(config: dict, split: str, path: Path, is_wanted: bool) -> list[Path]:
    """Folders of a split's images, or files that list them; see ``find``.

    There is none if there is no such split and none ``is_wanted``.
    """
    names = (split, *ALIASES.get(split, ()))
    given = next((config[name] for name in names if config.get(name)), None)
    if not given:
        if is_wanted:
            raise InputError(f'has no split {split!r}; expected one of {", ".join(SPLITS)}')
        return []
    given = given if isinstance(given, list) else [given]
    root = config.get('path') or '.'
    if not all(isinstance(value, str) for value in (root, *given)):
        raise InputError(f'path or {split} is {given!r:.60}; expected names of folders')
    roots = [path.parent / root, path.parent]
    folders = []
    for name in given:
        found = find(name, roots)
        if found is None:
            raise InputError(f'{split}: no folder {name!r} of images below {roots[0]}')
        folders.append(found)
    return folders


def find(name: str, roots: Sequence[Path]) -> Path | None:
    """A folder or file that a data.yaml or a list of images names.

    Names are often those of another machine, with its folders before them or ``../``, as
    Roboflow's: then the longest end of the name counts that is there below a root.
    """
    parts = [part for part in name.replace('\\', '/').split('/') if part not in ('', '.')]
    if not name.isprintable() or max(len(part.encode()) for part in ['', *parts]) > 255:
        return None
    whole = name.replace('\\', '/')
    ends = ('/'.join(parts[first:]) for first in range(len(parts)) if '..' not in parts[first:])
    for end in (whole, *ends):
        for root in roots:
            if (root / end).exists():
                return root / end
    return None


def images_of(found: Path) -> Iterator[tuple[Path, str]]:
    """The images of a folder, or of a file that lists them, and the names of their labels.

    The latter are below the folder, or that which all images listed share.

    Raises:
        InputError: If there is none, or one that is listed is not there.
    """
    images, folder = [], found
    if found.is_dir():
        images = find_images(found)
    else:
        with naming(found):
            for number, line in enumerate(read_lines(found, LIST_MB), start=1):
                if not line.strip():
                    continue
                image = find(line.strip(), [found.parent])
                if image is None or not image.is_file():
                    raise InputError(f'line {number}: no image {line!r:.200} below {found.parent}')
                images.append(image)
            if not images:
                raise InputError('lists no image')
        folder = Path(os.path.commonpath([image.parent for image in images]))
    yield from ((image, name_below(image, folder)) for image in images)


def label_file(image: Path) -> Path:
    """Where the label of an image is, whether it is there or not."""
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == 'images':
            parts[index] = 'labels'
            return Path(*parts).with_suffix('.txt')
    return image.with_suffix('.txt')


def item_of(
    image: Path, name: str, labels: dict[int, int], meaning: ObjectClasses, left_out: Counter[str]
) -> LabelItem:
    """The item of an image."""
    size, path = image_size(image, as_shown=True), label_file(image)
    if not path.exists():
        left_out[NO_FILE] += 1

    def draw() -> LabelMap:
        with naming(path):
            rows = read_rows(path, size, labels) if path.exists() else []
            objects = [row for row in rows if row]
            if len(objects) < len(rows):
                left_out[BOX] += len(rows) - len(objects)
            return draw_objects(objects, size, labels, meaning.fill)

    return LabelItem(name, size, draw)


def read_rows(path: Path, size: tuple[int, int], labels: dict[int, int]) -> list[dict | None]:
    """The polygons of a label file as COCO's annotations, ``None`` for a box.

    Raises:
        InputError: If a row is damaged; names it.
    """
    if not path.stat().st_size:
        return []
    rows: list[dict | None] = []
    for number, line in enumerate(read_lines(path, DEFAULT), start=1):
        if not line.split():
            continue
        with naming(f'line {number}'):
            rows.append(read_row(line.split(), number, size, labels))
    return rows


def read_row(
    words: list[str], number: int, size: tuple[int, int], labels: dict[int, int]
) -> dict | None:
    """A row as COCO's annotation; ``None`` for a box."""
    try:
        index, values = int(words[0]), np.array(words[1:], np.float64)
    except (OverflowError, ValueError) as error:
        raise InputError(f'{" ".join(words)!r:.60}; expected a class and numbers') from error
    if index not in labels:
        raise InputError(f'class {index}; "names" holds {listed([*labels])}')
    if len(values) == 4:
        return None
    if len(values) < 6 or len(values) % 2:
        raise InputError(f'{len(values)} numbers; expected x, y of at least 3 corners')
    wrong = values[~((values >= -OUTSIDE) & (values <= 1 + OUTSIDE))]
    if len(wrong):
        raise InputError(f'corner at {wrong[0]:g}; expected shares of the image, 0 to 1')
    corners = values.reshape(-1, 2) * size[::-1]
    return dict(id=number, category_id=index, segmentation=[corners.ravel().tolist()])
