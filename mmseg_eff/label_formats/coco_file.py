"""Read files of COCO instance annotations: images, annotations and categories, checked."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from .classes import check_name
from .json_source import Parsed, content_of
from .source import check_size, label_name, naming

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


def read_coco(path: Path, parsed: Parsed | None = None) -> Coco:
    """Read a file of COCO instance annotations.

    Args:
        path: The file.
        parsed: Its content, if it was read to find the format.

    Raises:
        InputError: If it is missing, no JSON or not COCO's layout.
    """
    content = content_of(path, parsed)
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
    with naming(path):
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
    return Coco(images, by_image, categories)


def read_categories(records: Sequence[dict]) -> dict[int, str]:
    """Names by id; refuses ids and names that two categories share."""
    categories: dict[int, str] = {}
    names: set[str] = set()
    for record in records:
        index = record['id']
        with naming(f'category {index}'):
            name = check_name(record['name'])
            if index in categories or name in names:
                raise InputError(f'{name!r} shares its id or its name with another')
        categories[index] = name
        names.add(name)
    return categories


def read_images(records: Sequence[dict]) -> list[dict]:
    """The records with ``stem``; refuses sizes, ids and names that no label can have."""
    images: list[dict] = []
    names: set[str] = set()
    ids: set[int] = set()
    for record in records:
        stem = label_name(record['file_name'])
        with naming(f'image {stem!r}'):
            check_size(record['height'], record['width'])
            if stem in names or record['id'] in ids:
                raise InputError('shares its name or its id with another one')
        names.add(stem)
        ids.add(record['id'])
        images.append({**record, 'stem': stem})
    return images
