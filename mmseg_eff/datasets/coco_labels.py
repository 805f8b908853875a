"""Read COCO instance annotations and draw them as label maps of class indices."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..utils.file_limit import DEFAULT
from ..utils.json_files import read_json
from ..utils.pixel_limit import VARIABLE, max_pixels
from .coco_masks import outline_length, segmentation_runs
from .label_rules import check_palette

# COCO's category ids of the VOC classes 0 to 20, as ESPNetv2's authors map them (EdgeNets).
COCO_IDS = (0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72)
VOC_LABELS = {coco: voc for voc, coco in enumerate(COCO_IDS) if voc}
COCO_NAMES = (  # COCO's names of the VOC classes 1 to 20
    *('airplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow'),
    *('dining table', 'dog', 'horse', 'motorcycle', 'person', 'potted plant', 'sheep', 'couch'),
    *('train', 'tv'),
)
IGNORED = 255
MAX_PIXELS = 2**27  # of a label: a few bytes of the file ask for it
MOST_COVERED = 100  # times that the masks of an image may cover it
BACKGROUND = 'background'
REQUIRED = {
    'images': ('id', 'file_name', 'height', 'width'),
    'annotations': ('id', 'image_id', 'category_id', 'segmentation'),
    'categories': ('id', 'name'),
}


class Coco(NamedTuple):
    """A COCO file.

    Attributes:
        images: Its records, with the name of the label, ``stem``: ``file_name`` without suffix.
        annotations: Records by image id.
        categories: Names by id, in the order of the file.
    """

    images: list[dict]
    annotations: dict[int, list[dict]]
    categories: dict[int, str]


class Classes(NamedTuple):
    """What the labels mean.

    Attributes:
        names: Of the labels, background first.
        palette: Their RGB colours.
        labels: Label of each category id that is drawn.
    """

    names: tuple[str, ...]
    palette: list[list[int]]
    labels: dict[int, int]


def read_coco(path: Path) -> Coco:
    """Read a file of COCO instance annotations.

    Raises:
        InputError: If it is missing, no JSON or not COCO's layout.
    """
    content = read_json(path, limit=DEFAULT)
    for key, fields in REQUIRED.items():
        records = content.get(key) if isinstance(content, dict) else None
        if not isinstance(records, list):
            raise InputError(f'{path}: no list {key!r}; expected COCO instance annotations')
        for index, record in enumerate(records):
            for field in fields:
                if not isinstance(record, dict) or field not in record:
                    raise InputError(f'{path}: {key}[{index}] has no {field!r}')
                if field.endswith('id') and not isinstance(record[field], int | str):
                    raise InputError(f'{path}: {key}[{index}] has {field} {record[field]!r}')
    try:
        categories = read_categories(content['categories'])
        images = read_images(content['images'])
        by_image: dict[int, list[dict]] = defaultdict(list)
        known = {image['id'] for image in images}
        for annotation in content['annotations']:
            image, category = annotation['image_id'], annotation['category_id']
            where = f'annotation {annotation["id"]}'
            if image not in known:
                raise InputError(f'{where} of the unknown image {image}')
            if category not in categories:
                ids = ', '.join(map(str, categories))
                raise InputError(f'{where} has category {category}; "categories" holds {ids}')
            by_image[image].append(annotation)
    except InputError as error:
        raise InputError(f'{path}: {error}') from error
    return Coco(images, by_image, categories)


def read_categories(records: Sequence[dict]) -> dict[int, str]:
    """Names by id; refuses ids and names that two categories share."""
    categories: dict[int, str] = {}
    for record in records:
        index, name = record['id'], record['name']
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise InputError(f'category {index} has the name {name!r}; expected a word')
        if index in categories or name in categories.values():
            raise InputError(f'category {index} {name!r} shares its id or its name with another')
        categories[index] = name
    return categories


def read_images(records: Sequence[dict]) -> list[dict]:
    """The records with ``stem``; refuses sizes, ids and names that no label can have."""
    images, names, ids = [], set(), set()
    for record in records:
        given, size = record['file_name'], (record['height'], record['width'])
        name = PurePosixPath(str(given).replace('\\', '/'))
        if name.is_absolute() or '..' in name.parts or ':' in str(name) or not name.name:
            raise InputError(f'image {given}: expected a path below the folder of the images')
        stem = str(name.with_suffix(''))
        if stem in names or record['id'] in ids:
            raise InputError(f'image {stem} shares its name or its id with another one')
        if not all(type(side) is int and side > 0 for side in size):
            raise InputError(f'image {stem} of size {size} (height, width)')
        if size[0] * size[1] > max_pixels(MAX_PIXELS):
            raise InputError(
                f'image {stem} of size {size} (height, width): at most {max_pixels(MAX_PIXELS)} '
                f'pixels (environment variable {VARIABLE})'
            )
        names.add(stem)
        ids.add(record['id'])
        images.append({**record, 'stem': stem})
    return images


def own_classes(categories: dict[int, str]) -> Classes:
    """The file's categories as labels 1, 2, … in its order; one named background is 0.

    Raises:
        InputError: If there is none, or more than 8 bits hold beside background and 255.
    """
    drawn = {index: name for index, name in categories.items() if name.lower() != BACKGROUND}
    if not 0 < len(drawn) < IGNORED:
        raise InputError(
            f'{len(drawn)} categories; labels of 8 bits hold 1 to {IGNORED - 1} beside background '
            f'(0) and ignored pixels ({IGNORED})'
        )
    labels = {index: label for label, index in enumerate(drawn, start=1)}
    labels |= dict.fromkeys(categories.keys() - drawn.keys(), 0)
    return Classes((BACKGROUND, *drawn.values()), colors(len(drawn) + 1), labels)


def same_classes(categories: dict[int, str], file: Path) -> Classes:
    """The classes of an earlier conversion, whose names say the label of each category.

    Raises:
        InputError: If ``file`` is no metainfo, or has no class of a category's name.
    """
    try:
        metainfo = read_json(file)
        names, palette = tuple(metainfo['classes']), metainfo['palette']
        check_palette(palette, 'classes')
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f'{file}: no metainfo of an earlier conversion ({error})') from error
    for index, name in categories.items():
        if name not in names and name.lower() != BACKGROUND:
            raise InputError(f'category {index} {name!r} is no class of {file}: {", ".join(names)}')
    labels = {index: names.index(n) if n in names else 0 for index, n in categories.items()}
    return Classes(names, palette, labels)


def colors(count: int) -> list[list[int]]:
    """VOC's colours of ``count`` labels: bits of the label in turn, from the highest down."""
    return [
        [
            sum((label >> 3 * bit + channel & 1) << 7 - bit for bit in range(8))
            for channel in range(3)
        ]
        for label in range(count)
    ]


def voc_classes(categories: dict[int, str]) -> dict[int, int]:
    """VOC's label of each of COCO's category ids.

    Raises:
        InputError: If a category of the file has not the name that COCO gives its id.
    """
    names = {index: COCO_NAMES[label - 1] for index, label in VOC_LABELS.items()}
    ids = {name: index for index, name in names.items()}
    for index, name in categories.items():
        if name != names.get(index, name):
            raise InputError(f'category {index} is {name!r}; expected {names[index]!r}')
        if index != ids.get(name, index):
            raise InputError(f'category {index} is {name!r}; expected the id {ids[name]}')
    if not categories.keys() & names.keys():
        raise InputError("no category is one of COCO's that VOC has")
    return VOC_LABELS


def draw_labels(
    annotations: Sequence[dict], size: tuple[int, int], labels: dict[int, int]
) -> tuple[NDArray[np.uint8], Counter[str]]:
    """Label map (H, W) of one image's annotations; crowds of a drawn category are 255.

    Larger masks are drawn first, equal ones in the order given, so that small objects stay visible.
    Other categories are not drawn: what stands on a table does not cut holes into it.

    Args:
        annotations: COCO's records.
        size: Height and width.
        labels: Of the category ids that are drawn.

    Returns:
        The label map, and how many annotations were ``drawn``, ``empty`` and of ``other``
        categories.

    Raises:
        InputError: If a segmentation is damaged; names the annotation. Also if the masks cover the
            image more than ``MOST_COVERED`` times, which only takes time.
    """
    regions, counts, pixels = [], Counter[str](), size[0] * size[1]
    outlines, covered = 0.0, 0
    for annotation in annotations:
        value = labels.get(annotation['category_id'])
        if value is None:
            counts['other'] += 1
            continue
        try:
            outlines += outline_length(annotation['segmentation'])
            if outlines > 10 * pixels + 1e6:
                raise InputError(f'outlines of {outlines:g} pixels in an image of {pixels}')
            runs = segmentation_runs(annotation['segmentation'], size)
            area = int((runs[:, 1] - runs[:, 0]).sum())
            covered += area
            if covered > MOST_COVERED * pixels:
                raise InputError(f'masks cover the image more than {MOST_COVERED} times')
        except KeyError as error:
            raise InputError(f'annotation {annotation["id"]}: RLE without {error}') from error
        except (OverflowError, TypeError, ValueError) as error:
            raise InputError(f'annotation {annotation["id"]}: {error}') from error
        counts['drawn' if area else 'empty'] += 1
        regions.append((area, runs, IGNORED if annotation.get('iscrowd') else value))
    columns = np.zeros(pixels, np.uint8)
    for _, runs, value in sorted(regions, key=lambda region: -region[0]):
        for start, end in runs.tolist():
            columns[start:end] = value
    return np.ascontiguousarray(columns.reshape(size[::-1]).T), counts
