"""Read COCO instance annotations: categories of one's own, or COCO's own as VOC's classes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from .classes import IGNORED, Classes, ObjectClasses, class_list, object_classes
from .coco_file import read_coco
from .coco_masks import outline_length, segmentation_runs
from .image_files import only_file
from .json_source import Parsed
from .source import LabelItem, LabelMap, LabelSource, naming
from .voc_classes import MIN_SIZE, OWN, VOC_LABELS, check_voc_categories, voc_classes

MOST_COVERED = 100  # times that the masks of an image may cover it
EMPTY, OTHER = 'annotations have no pixel (a box only?)', 'annotations of other categories'


def is_coco(content: object) -> bool:
    """Whether the content of a JSON file is COCO's."""
    return isinstance(content, dict) and {'images', 'annotations', 'categories'} <= content.keys()


def read_coco_source(
    source: Path,
    classes: Classes | None = None,
    min_size: int | None = None,
    parsed: Parsed | None = None,
) -> LabelSource:
    """Labels of COCO instance annotations: polygons, RLE and crowds, which are ignored.

    Larger masks are drawn first, so that small objects stay visible.

    Args:
        source: The file, or a folder with one JSON file.
        classes: See ``class_list``; without, or ``'own'``, the categories in their order. ``'voc'``
            or ``'foreground'``: categories with COCO's ids and names become VOC's classes or two;
            images without an object are left out.
        min_size: Shorter side in pixels of the smallest image; by default 1, with VOC's classes
            256.
        parsed: Content of the file, if it was read to find the format.

    Raises:
        InputError: If the file is damaged or of another kind, or its categories are not COCO's.
    """
    key = classes if isinstance(classes, str) and classes != OWN else None
    chosen = None if key or classes is None or classes == OWN else class_list(classes)
    least = min_size if min_size is not None else MIN_SIZE if key else 1
    voc = voc_classes(key, OWN) if key else None
    path = only_file(source, ['*.json'], "COCO's instance annotations")
    images, annotations, categories = read_coco(path, parsed)
    left_out = Counter[str]()
    with naming(path):
        if voc:
            check_voc_categories(categories)
            labels = {index: int(voc.table[label]) for index, label in VOC_LABELS.items()}
            meaning = ObjectClasses(voc.names, voc.palette, {}, 0)
        else:
            meaning = object_classes([*categories.values()], chosen)
            labels = {index: meaning.labels[name] for index, name in categories.items()}
        kept = [image for image in images if min(image['height'], image['width']) >= least]
        if not kept:
            raise InputError(f'holds no image of at least {least} pixels')
        if len(kept) < len(images):
            left_out[f'images of a side below {least} pixels'] += len(images) - len(kept)
        items = [
            item_of(path, image, annotations[image['id']], labels, meaning.fill, left_out)
            for image in kept
        ]
    return LabelSource(meaning.names, meaning.palette, items, left_out, meaning.fill, bool(voc))


def item_of(
    path: Path,
    image: dict,
    annotations: list[dict],
    labels: dict[int, int],
    fill: int,
    left_out: Counter[str],
) -> LabelItem:
    """The item of an image."""
    size = image['height'], image['width']

    def draw() -> LabelMap:
        with naming(path), naming(f'image {image["stem"]!r}'):
            return draw_objects(annotations, size, labels, fill, left_out)

    return LabelItem(image['stem'], size, draw)


def draw_objects(
    annotations: Sequence[dict],
    size: tuple[int, int],
    labels: dict[int, int],
    fill: int,
    left_out: Counter[str] | None = None,
) -> LabelMap:
    """Label map (H, W) of one image's annotations; crowds of a drawn category are 255.

    Larger masks are drawn first, equal ones in the order given, so that small objects stay visible.
    Other categories are not drawn: what stands on a table does not cut holes into it.

    Args:
        annotations: COCO's records.
        size: Height and width.
        labels: Of the category ids that are drawn.
        fill: Label of the pixels outside of all objects.
        left_out: Counts annotations without a pixel, and those of other categories.

    Raises:
        InputError: If a segmentation is damaged; names the annotation. Also if the masks cover the
            image more than ``MOST_COVERED`` times, which only takes time.
    """
    regions, counts, pixels = [], Counter[str](), size[0] * size[1]
    outlines, covered = 0.0, 0
    for annotation in annotations:
        value = labels.get(annotation['category_id'])
        if value is None:
            counts[OTHER] += 1
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
        if not area:
            counts[EMPTY] += 1
        regions.append((area, runs, IGNORED if annotation.get('iscrowd') else value))
    columns = np.full(pixels, fill, np.uint8)
    for _, runs, value in sorted(regions, key=lambda region: -region[0]):
        for start, end in runs.tolist():
            columns[start:end] = value
    if left_out is not None:
        left_out.update(counts)
    return np.ascontiguousarray(columns.reshape(size[::-1]).T)
