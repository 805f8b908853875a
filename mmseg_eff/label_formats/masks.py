"""Read VOC's palette PNGs, and colour masks by a table of colours."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..datasets.coco_labels import IGNORED
from ..datasets.label_rules import INDEX_MODES, out_of_range
from ..errors import InputError
from .image_files import decode, find_images, image_size, name_below, open_image
from .source import (
    IGNORED_NAMES,
    ClassList,
    LabelItem,
    LabelMap,
    LabelSource,
    check_count,
    check_unique,
    class_list,
    listed,
    naming,
)
from .tables import CAMVID, CAMVID_PALETTE, Color, read_color_table

VOC_CLASSES = (
    *('background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat'),
    *('chair', 'cow', 'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant'),
    *('sheep', 'sofa', 'train', 'tvmonitor'),
)
LOSSY = ('JPEG', 'MPO', 'JPEG2000', 'WEBP')  # formats that change values
FARTHEST_COLOR = 64  # of a channel, from the class's colour, in a lossy file
TABLE_FILES = ('label_colors.txt', 'class_dict.csv', 'labelmap.txt')  # beside or above the masks
NO_LABEL = 256  # in a table of labels

Draw = Callable[[Path], LabelMap]


def mask_source(
    folder: Path, names: Sequence[str], palette: list[list[int]], draw: Draw, paths: Sequence[Path]
) -> LabelSource:
    """A source with an item for each mask."""

    def item(path: Path) -> LabelItem:
        def draw_one() -> LabelMap:
            with naming(path):
                return draw(path)

        return LabelItem(name_below(path, folder), image_size(path), draw_one)

    items = [item(path) for path in paths]
    with naming(folder):
        check_unique(items)
    return LabelSource(tuple(names), palette, items)


def read_voc(
    source: Path, classes: Sequence[str] | Path | None = None, ending: str = ''
) -> LabelSource:
    """Labels of VOC: PNGs with a palette, whose indices are the labels; 255 is ignored.

    Args:
        source: Folder of the PNGs, such as ``SegmentationClass``.
        classes: Names of the indices, see ``class_list``; without, VOC's 21.
        ending: Of the names of the PNGs, see ``find_images``.

    Raises:
        InputError: If a file is damaged, no palette or grey image, or holds another index.
    """
    chosen = class_list(VOC_CLASSES if classes is None else classes)
    count = len(chosen.names)

    def draw(path: Path) -> LabelMap:
        with open_image(path) as image:
            if image.mode not in INDEX_MODES or image.format in LOSSY:
                raise InputError(f'{image.format} of mode {image.mode!r}; expected a palette PNG')
            labels = decode(image).astype(np.uint8)
        used = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
        bad = used[(used >= count) & (used != IGNORED)].tolist()
        if bad:
            raise InputError(out_of_range(bad, count, IGNORED))
        return labels

    return mask_source(source, chosen.names, chosen.palette, draw, find_images(source, ending))


def read_colors(
    source: Path,
    classes: Sequence[str] | Path | None = None,
    colors: Path | str | Mapping[Color, str] | None = None,
    ending: str = '',
) -> LabelSource:
    """Labels of colour masks, such as CamVid's.

    Colours of a class named ``void``, ``ignore`` or the like are ignored, and a name of several
    colours is one class. In a lossy file (JPEG) each pixel gets the nearest colour of the table,
    and is ignored if that is farther than 64 in a channel.

    Args:
        source: Folder of the masks.
        classes: Order of the classes, see ``class_list``; without, that of the table.
        colors: Name of the class of each colour; a file of such a table (see
            ``read_color_table``); or ``'camvid'``: its 32 colours as the 11 classes of SegNet.
            Without, the table of a usual name in or above the folder.
        ending: Of the names of the masks, see ``find_images``.

    Raises:
        InputError: If a file is damaged, or holds a colour that the table does not have.
    """
    names, palette, labels = color_classes(source, classes, colors)
    table = np.full(1 << 24, NO_LABEL, np.uint16)  # by packed colour
    for color, label in labels.items():
        table[pack(np.array(color))] = label

    def draw(path: Path) -> LabelMap:
        with open_image(path) as image:
            return draw_colors(image, table, labels)

    return mask_source(source, names, palette, draw, find_images(source, ending))


def color_classes(
    source: Path,
    classes: Sequence[str] | Path | None,
    colors: Path | str | Mapping[Color, str] | None,
) -> tuple[tuple[str, ...], list[list[int]], dict[Color, int]]:
    """Names, palette and the label of each colour."""
    if colors is None:
        tables = [folder / name for folder in (source, source.parent) for name in TABLE_FILES]
        colors = next((table for table in tables if table.is_file()), None)
        if colors is None:
            raise InputError(f'{source}: no table of colours; name a file, or camvid')
    with naming('colors' if isinstance(colors, Mapping) else colors):
        if isinstance(colors, Mapping):
            table = dict(colors)
        else:
            table = CAMVID if colors == 'camvid' else read_color_table(Path(colors))
        names, labels = table_classes(table, classes)
        of_name = {name: list(color) for color, name in reversed(table.items())}
        palette = [of_name[name] for name in names if name in of_name]
        if colors == 'camvid' and classes is None:
            palette = CAMVID_PALETTE
        if len(palette) != len(names):
            palette = class_list(list(names)).palette
    return names, palette, labels


def table_classes(
    table: Mapping, classes: Sequence[str] | Path | None
) -> tuple[tuple[str, ...], dict]:
    """Names of the labels, and the label of each key of a table of names; see ``IGNORED_NAMES``."""
    kept = dict.fromkeys(name for name in table.values() if name.lower() not in IGNORED_NAMES)
    chosen: ClassList | None = None if classes is None else class_list(classes)
    names = tuple(kept) if chosen is None else chosen.names
    missing = [name for name in kept if name not in names]
    if missing:
        raise InputError(f'class {missing[0]!r} is none of the chosen ones: {listed(names)}')
    check_count(len(names))
    if not names:
        raise InputError('every class is ignored')
    numbers = {name: label for label, name in enumerate(names)}
    return names, {key: numbers.get(name, IGNORED) for key, name in table.items()}


def pack(pixels: NDArray) -> NDArray[np.int64]:
    """One number for each colour (..., 3)."""
    return pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])


def draw_colors(
    image: Image.Image, table: NDArray[np.uint16], labels: Mapping[Color, int]
) -> LabelMap:
    """Labels of an open colour mask."""
    is_lossy = image.format in LOSSY
    codes = pack(decode(image, 'RGB'))
    found = table[codes]
    is_unknown = found == NO_LABEL
    if is_unknown.any():
        unknown, inverse = np.unique(codes[is_unknown], return_inverse=True)
        values = np.stack([unknown >> 16, unknown >> 8 & 255, unknown & 255], 1)
        if not is_lossy:
            shown = [tuple(color) for color in values.tolist()]
            raise InputError(
                f'colour {listed(shown)} in {int(is_unknown.sum())} pixels; the table has '
                f'{len(labels)} colours: {listed([*labels])}'
            )
        found[is_unknown] = nearest(values, np.array([*labels]), [*labels.values()])[inverse]
    return found.astype(np.uint8)


def nearest(values: NDArray, known: NDArray, labels: Sequence[int]) -> NDArray[np.uint8]:
    """Label of the nearest known colour (K, C) of each value (N, C), 255 of those far from all."""
    best = np.full(len(values), IGNORED, np.uint8)
    least = np.full(len(values), np.inf)
    for color, label in zip(known, labels, strict=True):
        difference = np.abs(values - color)
        distance = (difference**2).sum(1)
        closer = (distance < least) & (difference.max(1) <= FARTHEST_COLOR)
        best[closer], least[closer] = label, distance[closer]
    return best
