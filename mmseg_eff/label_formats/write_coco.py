"""Write label maps as COCO annotations with RLE, such as FiftyOne, CVAT and pycocotools read."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

from ..utils.atomic_io import replacing
from .classes import BACKGROUND_NAMES, IGNORED, class_list
from .cvat_masks import objects_of
from .source import LabelMap, label_name, naming


def write_coco(
    path: Path, predictions: Iterable[tuple[str, LabelMap]], classes: Sequence[str]
) -> list[str]:
    """Write one annotation for each class of an image: its mask as compressed RLE.

        write_coco(Path('predictions.json'), [('a.jpg', labels)], ('background', 'crack'))

    Args:
        path: The file.
        predictions: Name of each image, as it is to stand in the file, and its labels (H, W).
            The background gets no annotation; 255 gets one of a category ``ignored``.
        classes: Names of the labels, in their order; category ``i + 1`` is label ``i``.

    Returns:
        The names of the images without suffix.

    Raises:
        InputError: If a name leads out of the images' folder, or a label is no class.
    """
    ids = {
        name: label + 1
        for label, name in enumerate(class_list(list(classes)).names)
        if name.lower() not in BACKGROUND_NAMES
    }
    images: list[dict] = []
    annotations: list[dict] = []
    names = []
    for given, labels in predictions:
        names.append(label_name(given))
        image = len(images) + 1
        with naming(f'image {given!r}'):
            objects = objects_of(labels, classes)
        height, width = labels.shape
        images.append(dict(id=image, file_name=given, height=height, width=width))
        for name, mask in objects:
            rle = coco.encode(np.asfortranarray(mask, np.uint8))
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image,
                    category_id=ids.setdefault(name, IGNORED + 1),
                    segmentation=dict(size=[height, width], counts=rle['counts'].decode()),
                    area=int(coco.area(rle)),
                    bbox=coco.toBbox(rle).tolist(),
                    iscrowd=0,
                )
            )
    categories = [dict(id=i, name=name, supercategory='') for name, i in ids.items()]
    content = dict(images=images, annotations=annotations, categories=categories)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False) + '\n', encoding='utf-8')
    return names
