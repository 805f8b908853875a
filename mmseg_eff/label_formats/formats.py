"""The formats of labels that can be read, and how to tell which one a file or folder is of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..utils.file_limit import check_file
from ..utils.image_io import IMAGE_SUFFIXES
from .coco import is_coco, read_coco_source
from .cvat_masks import LABEL_MAP, MASKS, read_cvat_masks
from .cvat_xml import read_cvat
from .image_files import decode, find_images, open_image, visible_files
from .json_source import Parsed, content_of
from .label_studio import is_label_studio, read_label_studio
from .labelme import is_labelme, read_labelme
from .masks import LOSSY, read_colors, read_voc
from .source import LabelItem, LabelMap, LabelSource, naming
from .unpack import Unpacked
from .value_masks import MOST_TINT, read_values
from .yolo import read_yolo

MOST_JSON = 200  # JSON files of a folder that are read to find its format


@dataclass(frozen=True)
class Reader:
    """How a format is read.

    Attributes:
        what: The format in words, for ``--help``.
        read: Called with the source and the options that it takes by name.
        options: Names of these.
        is_masks: Whether the source is a folder of images.
        is_json: Whether ``read`` takes the content of a JSON file that was read before.
    """

    what: str
    read: Callable[..., LabelSource]
    options: tuple[str, ...] = ('classes',)
    is_masks: bool = False
    is_json: bool = False


class Found(NamedTuple):
    """What ``detect`` found.

    Attributes:
        format: Key of ``FORMATS``.
        parsed: The JSON file by which it was found.
    """

    format: str
    parsed: Parsed | None = None


FORMATS: dict[str, Reader] = {
    'coco': Reader(
        'COCO instance annotations: polygons, RLE, crowds',
        read_coco_source,
        ('classes', 'min_size'),
        is_json=True,
    ),
    'cvat': Reader('CVAT, exported as "CVAT for images" (annotations.xml)', read_cvat),
    'cvat_masks': Reader('CVAT, exported as "Segmentation mask" (labelmap.txt)', read_cvat_masks),
    'label_studio': Reader(
        "Label Studio's JSON or JSON-MIN export", read_label_studio, is_json=True
    ),
    'labelme': Reader("labelme's JSON files", read_labelme, is_json=True),
    'yolo': Reader('YOLO segmentation with data.yaml', read_yolo, ('classes', 'split')),
    'voc': Reader(
        'palette PNGs, such as those of VOC', read_voc, ('classes', 'ending'), is_masks=True
    ),
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
OF_JSON = {'coco': is_coco, 'labelme': is_labelme, 'label_studio': is_label_studio}


def read_labels(source: Path, format: str | None = None, **options: Any) -> LabelSource:
    """Labels of another tool.

        for item in read_labels(Path('annotations.xml')).items: print(item.name, item.draw())

    Args:
        source: The file or folder, see the reader of each format; or a zip file of them, which is
            unpacked into a temporary folder.
        format: Key of ``FORMATS``; without, what ``detect`` finds.
        options: Those that the format's reader takes; ``None`` is left out.

    Raises:
        InputError: If the source is damaged, or the format takes no such option.
    """
    return find_labels(source, format, **options)[1]


def find_labels(source: Path, format: str | None = None, **options: Any) -> tuple[str, LabelSource]:
    """The format and the labels of a source, see ``read_labels``."""
    if is_zip(source):
        return unpacked_labels(Unpacked(source), format, options)
    if format is not None and format not in FORMATS:
        raise InputError(f'format {format!r}; expected one of {", ".join(FORMATS)}')
    found = Found(format) if format else find_format(source)
    reader = FORMATS[found.format]
    given = {key: value for key, value in options.items() if value is not None}
    for key in given:
        if key not in reader.options:
            allowed = ', '.join(reader.options)
            raise InputError(f'{key} is not for the format {found.format}, which takes {allowed}')
    if not source.exists():
        raise InputError(f'{source}: no such file or folder')
    if reader.is_json:
        given['parsed'] = found.parsed
    return found.format, reader.read(source, **given)


def is_zip(source: Path) -> bool:
    """Whether a source is a zip file, by its suffix."""
    return source.suffix.lower() == '.zip' and source.is_file()


def unpacked_labels(
    unpacked: Unpacked, format: str | None, options: dict[str, Any]
) -> tuple[str, LabelSource]:
    """The format and the labels in an archive, whose files are kept as long as the items are."""
    with unpacked.naming():
        name, labels = find_labels(unpacked.folder, format, **options)

    def keeping(item: LabelItem) -> LabelItem:
        def draw() -> LabelMap:
            with unpacked.naming():
                return item.draw()

        return replace(item, draw=draw)

    return name, replace(labels, items=[keeping(item) for item in labels.items])


def detect(source: Path) -> str:
    """Key of ``FORMATS`` of a file, folder or zip file, by what it holds.

    Raises:
        InputError: If it is of none.
    """
    if is_zip(source):
        unpacked = Unpacked(source)
        with unpacked.naming():
            return find_format(unpacked.folder).format
    return find_format(source).format


def find_format(source: Path) -> Found:
    """The format of a file or folder, with the JSON that was read to find it."""
    if not source.exists():
        raise InputError(f'{source}: no such file or folder')
    found = find_in_folder(source) if source.is_dir() else find_in_file(source)
    if found is None:
        kinds = '; '.join(f'{name}: {reader.what}' for name, reader in FORMATS.items())
        raise InputError(f'{source}: is of no format that can be read ({kinds})')
    return found


def find_in_file(path: Path) -> Found | None:
    """Format of a file."""
    suffix = path.suffix.lower()
    if suffix in ('.yaml', '.yml'):
        return Found('yolo')
    if suffix == '.xml':
        check_file(path)
        with open(path, 'rb') as file:
            return Found('cvat') if b'<annotations' in file.read(4096) else None
    if suffix == '.json':
        parsed = Parsed(path, content_of(path, None))
        names = (name for name, fits in OF_JSON.items() if fits(parsed.content))
        return next((Found(name, parsed) for name in names), None)
    return None


def find_in_folder(folder: Path) -> Found | None:
    """Format of a folder: by its files of a known name, then its JSON, then its images."""
    if (folder / LABEL_MAP).is_file() and (folder / MASKS).is_dir():
        return Found('cvat_masks')
    for name in ('data.yaml', 'data.yml', 'annotations.xml'):
        if (folder / name).is_file():
            return find_in_file(folder / name)
    found = find_json(folder)
    if found is not None:
        return found
    has_images = next(visible_files(folder, IMAGE_SUFFIXES), None)
    return Found(detect_masks(folder)) if has_images else None


def find_json(folder: Path) -> Found | None:
    """Format of the first JSON file below a folder that is of any, the upper folders' first."""
    paths = sorted(visible_files(folder, ('.json',)), key=lambda path: (len(path.parts), path))
    return next(filter(None, map(find_in_file, paths[:MOST_JSON])), None)


def detect_masks(folder: Path) -> str:
    """Format of a folder of masks: by the first one's pixels."""
    path = find_images(folder)[0]
    with naming(path), open_image(path) as image:
        if image.mode == 'P':
            return 'voc'
        if image.mode not in ('RGB', 'RGBA'):
            return 'values'
        tint = np.ptp(decode(image)[..., :3].astype(np.int16), axis=-1).max()
        return 'colors' if tint > (MOST_TINT if image.format in LOSSY else 0) else 'values'
