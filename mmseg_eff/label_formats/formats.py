"""The formats of labels that can be read, and how to tell which one a file or folder is of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..utils.file_limit import DEFAULT, check_file
from ..utils.image_io import IMAGE_SUFFIXES
from ..utils.json_files import read_json
from .coco import is_coco, read_coco_source
from .cvat_masks import LABEL_MAP, MASKS, read_cvat_masks
from .cvat_xml import read_cvat
from .image_files import decode, find_images, open_image
from .label_studio import is_label_studio, read_label_studio
from .labelme import is_labelme, read_labelme
from .masks import LOSSY, read_colors, read_voc
from .source import LabelSource, naming
from .value_masks import MOST_TINT, read_values
from .yolo import read_yolo


@dataclass(frozen=True)
class Reader:
    """How a format is read.

    Attributes:
        what: The format in words, for ``--help``.
        read: Called with the source and the options that it takes by name.
        options: Names of these.
        is_masks: Whether the source is a folder of images.
    """

    what: str
    read: Callable[..., LabelSource]
    options: tuple[str, ...] = ('classes',)
    is_masks: bool = False


FORMATS: dict[str, Reader] = {
    'coco': Reader('COCO instance annotations: polygons, RLE, crowds', read_coco_source),
    'cvat': Reader('CVAT, exported as "CVAT for images" (annotations.xml)', read_cvat),
    'cvat_masks': Reader('CVAT, exported as "Segmentation mask" (labelmap.txt)', read_cvat_masks),
    'label_studio': Reader("Label Studio's JSON export", read_label_studio),
    'labelme': Reader("labelme's JSON files", read_labelme),
    'yolo': Reader('YOLO segmentation with data.yaml', read_yolo, ('classes', 'split')),
    'voc': Reader('palette PNGs of VOC', read_voc, ('classes', 'ending'), is_masks=True),
    'colors': Reader(
        'colour masks, by a table of colours',
        read_colors,
        ('classes', 'colors', 'ending'),
        is_masks=True,
    ),
    'values': Reader(
        'grey masks of any values, such as 0 and 255',
        read_values,
        ('classes', 'values', 'ending'),
        is_masks=True,
    ),
}


def read_labels(source: Path, format: str | None = None, **options: Any) -> LabelSource:
    """Labels of another tool.

        for item in read_labels(Path('annotations.xml')).items: print(item.name, item.draw())

    Args:
        source: The file or folder, see the reader of each format.
        format: Key of ``FORMATS``; without, what ``detect`` finds.
        options: Those that the format's reader takes; ``None`` is left out.

    Raises:
        InputError: If the source is damaged, or the format takes no such option.
    """
    name = format or detect(source)
    if name not in FORMATS:
        raise InputError(f'format {name!r}; expected one of {", ".join(FORMATS)}')
    reader = FORMATS[name]
    given = {key: value for key, value in options.items() if value is not None}
    for key in given:
        if key not in reader.options:
            raise InputError(f'{key} is not for the format {name}, which takes {reader.options}')
    if not source.exists():
        raise InputError(f'{source}: no such file or folder')
    return reader.read(source, **given)


def detect(source: Path) -> str:
    """Key of ``FORMATS`` of a file or folder, by what it holds.

    Raises:
        InputError: If it is of none.
    """
    if not source.exists():
        raise InputError(f'{source}: no such file or folder')
    found = detect_in_folder(source) if source.is_dir() else detect_file(source)
    if found is None:
        kinds = '; '.join(f'{name}: {reader.what}' for name, reader in FORMATS.items())
        raise InputError(f'{source}: is of no format that can be read ({kinds})')
    return found


def detect_file(path: Path) -> str | None:
    """Format of a file."""
    suffix = path.suffix.lower()
    if suffix == '.zip':
        raise InputError(f'{path}: unpack it, and name its folder')
    if suffix in ('.yaml', '.yml'):
        return 'yolo'
    if suffix == '.xml':
        check_file(path)
        with open(path, 'rb') as file:
            return 'cvat' if b'<annotations' in file.read(4096) else None
    if suffix == '.json':
        content = read_json(path, object, DEFAULT)
        known = {'coco': is_coco, 'labelme': is_labelme, 'label_studio': is_label_studio}
        return next((name for name, fits in known.items() if fits(content)), None)
    return None


def detect_in_folder(folder: Path) -> str | None:
    """Format of a folder: by its files of a known name, then its JSON, then its images."""
    if (folder / LABEL_MAP).is_file() and (folder / MASKS).is_dir():
        return 'cvat_masks'
    for name in ('data.yaml', 'data.yml', 'annotations.xml'):
        if (folder / name).is_file():
            return detect_file(folder / name)
    for path in sorted(folder.rglob('*.json')):
        found = detect_file(path)
        if found == 'labelme' or (found and path.parent == folder):
            return found
    has_images = any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.rglob('*'))
    return detect_masks(folder) if has_images else None


def detect_masks(folder: Path) -> str | None:
    """Format of a folder of masks: by the first one's pixels."""
    path = find_images(folder)[0]
    with naming(path), open_image(path) as image:
        if image.mode == 'P':
            return 'voc'
        if image.mode not in ('RGB', 'RGBA'):
            return 'values'
        tint = np.ptp(decode(image)[..., :3].astype(np.int16), axis=-1).max()
        return 'colors' if tint > (MOST_TINT if image.format in LOSSY else 0) else 'values'
