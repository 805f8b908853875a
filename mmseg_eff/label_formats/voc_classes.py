"""VOC's classes, or foreground and background, as what the labels of COCO and VOC become."""

from typing import NamedTuple

import numpy as np
from mmseg.datasets import PascalVOCDataset
from numpy.typing import NDArray

from ..datasets.voc_foreground import ForegroundVOCDataset
from ..errors import InputError

# COCO's category ids of the VOC classes 0 to 20, as ESPNetv2's authors map them (EdgeNets).
COCO_IDS = (0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72)
VOC_LABELS = {coco: voc for voc, coco in enumerate(COCO_IDS) if voc}
COCO_NAMES = (  # COCO's names of the VOC classes 1 to 20
    *('airplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow'),
    *('dining table', 'dog', 'horse', 'motorcycle', 'person', 'potted plant', 'sheep', 'couch'),
    *('train', 'tv'),
)
DATASETS = {'voc': PascalVOCDataset, 'foreground': ForegroundVOCDataset}
OWN = 'own'  # the file's categories, in its order
MIN_SIZE = 256  # pixels, of VOC's classes in COCO, as ESPNetv2's authors choose


class VocClasses(NamedTuple):
    """VOC's classes, or two of them.

    Attributes:
        names: Of the labels, background first.
        palette: RGB colour of each class.
        table: New label of each VOC label (256,).
    """

    names: tuple[str, ...]
    palette: list[list[int]]
    table: NDArray[np.uint8]


def voc_classes(key: str, *others: str) -> VocClasses:
    """The classes of a key of ``DATASETS``.

    Args:
        key: The key.
        others: Further keys that the caller takes, for the message.

    Raises:
        InputError: If it is none.
    """
    if key not in DATASETS:
        expected = ', '.join((*others, *DATASETS))
        raise InputError(f'classes must be names, or one of {expected}; got {key!r}')
    table = np.arange(256, dtype=np.uint8)
    if key == 'foreground':
        for old, new in ForegroundVOCDataset.get_label_map().items():
            table[old] = new
    metainfo = DATASETS[key].METAINFO
    palette = [[int(value) for value in color] for color in metainfo['palette']]
    return VocClasses(tuple(metainfo['classes']), palette, table)


def check_voc_categories(categories: dict[int, str]) -> None:
    """Refuse categories of other ids or names than COCO's own.

    Raises:
        InputError: If a category of the file has not the name that COCO gives its id, or none is
            of VOC's.
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
