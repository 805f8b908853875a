"""Read COCO instance annotations with categories of one's own."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..datasets.coco_labels import IGNORED, draw_labels, read_coco
from .image_files import only_file
from .source import (
    LabelItem,
    LabelMap,
    LabelSource,
    ObjectClasses,
    check_unique,
    class_list,
    naming,
    object_classes,
)


def is_coco(content: object) -> bool:
    """Whether the content of a JSON file is COCO's."""
    return isinstance(content, dict) and {'images', 'annotations', 'categories'} <= content.keys()


def read_coco_source(source: Path, classes: Sequence[str] | Path | None = None) -> LabelSource:
    """Labels of COCO instance annotations: polygons, RLE and crowds, which are ignored.

    Larger masks are drawn first, so that small objects stay visible.

    Args:
        source: The file, or a folder with one JSON file.
        classes: See ``class_list``; without, the categories in their order.

    Raises:
        InputError: If the file is damaged or of another kind.
    """
    chosen = None if classes is None else class_list(classes)
    path = only_file(source, ['*.json'], "COCO's instance annotations")
    images, annotations, categories = read_coco(path)
    left_out = Counter[str]()
    with naming(path):
        meaning = object_classes([*categories.values()], chosen)
        labels = {index: meaning.labels[name] for index, name in categories.items()}
        items = [
            item_of(path, image, annotations[image['id']], labels, meaning, left_out)
            for image in images
        ]
        check_unique(items)
    return LabelSource(meaning.names, meaning.palette, items, left_out)


def item_of(
    path: Path,
    image: dict,
    annotations: list[dict],
    labels: dict[int, int],
    meaning: ObjectClasses,
    left_out: Counter[str],
) -> LabelItem:
    """The item of an image."""
    size = image['height'], image['width']

    def draw() -> LabelMap:
        with naming(path), naming(f'image {image["stem"]!r}'):
            return draw_objects(annotations, size, labels, meaning.fill, left_out)

    return LabelItem(image['stem'], size, draw)


def draw_objects(
    annotations: Sequence[dict],
    size: tuple[int, int],
    labels: dict[int, int],
    fill: int,
    left_out: Counter[str] | None = None,
) -> LabelMap:
    """Label map (H, W) of COCO's annotations, with ``fill`` where there is none.

    Args:
        annotations: Records of one image, see ``draw_labels``.
        size: Height and width.
        labels: Label of each category, 0 to 255.
        fill: Label of the pixels outside of all objects.
        left_out: Counts annotations without a pixel.
    """
    drawn = sorted(set(labels.values()) - {IGNORED})  # as 1, 2, …: draw_labels leaves 0 outside
    numbers = {
        index: drawn.index(v) + 1 if v != IGNORED else IGNORED for index, v in labels.items()
    }
    image, counts = draw_labels(annotations, size, numbers)
    if left_out is not None and counts['empty']:
        left_out['annotations without a pixel (boxes only?)'] += counts['empty']
    table = np.full(256, IGNORED, np.uint8)
    table[: len(drawn) + 1] = fill, *drawn
    return table[image]
