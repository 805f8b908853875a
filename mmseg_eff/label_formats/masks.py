"""Read VOC's palette PNGs, and colour masks by a table of colours."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from ..datasets.label_rules import INDEX_MODES, out_of_range
from ..errors import InputError
from ..utils.printing import console
from .classes import (
    BACKGROUND,
    IGNORED,
    IGNORED_NAMES,
    Classes,
    ClassList,
    check_count,
    class_list,
    colors,
)
from .image_files import decode, find_images, image_size, name_below, open_image
from .source import LabelItem, LabelMap, LabelSource, check_unique, listed, naming
from .tables import CAMVID, CAMVID_PALETTE, Color, read_color_table
from .voc_classes import COCO_IDS, voc_classes

NAME_FILES = ('class_names.txt', 'classes.txt')  # beside or above palette PNGs
LOSSY = ('JPEG', 'MPO', 'JPEG2000', 'WEBP')  # formats that change values
FARTHEST_COLOR = 64  # of a channel, from the class's colour, in a lossy file
TABLE_FILES = ('label_colors.txt', 'class_dict.csv', 'labelmap.txt')  # beside or above the masks
NO_LABEL = 256  # in a table of labels
NUM_VOC = len(COCO_IDS)
OTHER_PALETTE = (
    'masks give an index another colour than those before: are the indices the classes? '
    'Else convert them as colors'
)

Draw = Callable[[Path], LabelMap]


def mask_source(
    folder: Path,
    names: Sequence[str],
    palette: list[list[int]],
    draw: Draw,
    paths: Sequence[Path],
    left_out: Counter[str] | None = None,
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
    return LabelSource(tuple(names), palette, items, Counter() if left_out is None else left_out)


def read_voc(source: Path, classes: Classes | None = None, ending: str = '') -> LabelSource:
    """Labels of PNGs with a palette, whose indices are the labels, as VOC's; 255 is ignored.

    Args:
        source: Folder of the PNGs, such as ``SegmentationClass``. Grey ones are read as well.
        classes: Names of the indices, see ``class_list``; or ``'voc'``: VOC's 21 classes,
            ``'foreground'``: their objects as one class. Without, the names in ``class_names.txt``
            (of labelme's export) or ``classes.txt`` in or above the folder; else VOC's where the
            first file is grey or has VOC's palette; else ``background``, ``class_1``, ….
        ending: Of the names of the PNGs, see ``find_images``.

    Raises:
        InputError: If a file is damaged, no palette or grey image, or holds another index.
    """
    paths, left_out = find_images(source, ending), Counter[str]()
    table = np.arange(256, dtype=np.uint8)
    if classes is None:
        files = [folder / name for folder in (source, source.parent) for name in NAME_FILES]
        classes = next((file for file in files if file.is_file()), None)
    if isinstance(classes, str) or (classes is None and has_voc_palette(paths[0])):
        key = classes if isinstance(classes, str) else 'voc'
        names, palette, table = voc_classes(key)
        count = NUM_VOC
    else:
        chosen = own_classes(paths) if classes is None else class_list(classes)
        names, palette, count = chosen.names, chosen.palette, len(chosen.names)
    colors: dict[int, Color] = {}  # of each index, in the first file that holds it

    def draw(path: Path) -> LabelMap:
        with open_image(path) as image:
            labels, used = read_indices(image)
            own = palette_of(image)
        bad = [index for index in used if index >= count and index != IGNORED]
        if bad:
            raise InputError(out_of_range(bad, count, IGNORED))
        if any(colors.setdefault(index, own[index]) != own[index] for index in used if own):
            left_out[OTHER_PALETTE] += 1
        return table[labels]

    return mask_source(source, names, palette, draw, paths, left_out)


def read_indices(image: Image.Image) -> tuple[LabelMap, list[int]]:
    """The indices (H, W) of an open palette PNG, and those that occur."""
    if image.mode not in INDEX_MODES or image.format in LOSSY:
        raise InputError(f'{image.format} of mode {image.mode!r}; expected a palette PNG')
    labels = decode(image).astype(np.uint8)
    return labels, np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist()


def palette_of(image: Image.Image) -> list[Color]:
    """The 256 colours of an image with a palette, which may hold fewer; none of a grey one."""
    if image.mode != 'P':
        return []
    values = np.zeros(768, int)
    own = image.getpalette('RGB') or []
    values[: len(own)] = own[:768]
    return [(red, green, blue) for red, green, blue in values.reshape(256, 3).tolist()]


def has_voc_palette(path: Path) -> bool:
    """Whether a label is grey, or has the colours of VOC's classes, as far as it has any."""
    with naming(path), open_image(path) as image:
        own = image.getpalette('RGB') or [] if image.mode == 'P' else []
    expected = [value for color in colors(NUM_VOC) for value in color]
    return own[: len(expected)] == expected[: len(own)]


def own_classes(paths: Sequence[Path]) -> ClassList:
    """Classes of palettes that are not VOC's: a name and the colour of each index."""
    known: dict[int, Color] = {}
    for path in track(paths, 'finding the classes', console=console(stderr=True)):
        with naming(path), open_image(path) as image:
            own = palette_of(image)
            used = read_indices(image)[1]
            known = {i: own[i] for i in used if own and i != IGNORED} | known
    count = max(known, default=0) + 1
    names = [BACKGROUND, *(f'class_{index}' for index in range(1, count))]
    palette = [list(known.get(index, color)) for index, color in enumerate(colors(count))]
    return ClassList(tuple(names), palette)


def read_colors(
    source: Path,
    classes: Classes | None = None,
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
    source: Path, classes: Classes | None, colors: Path | str | Mapping[Color, str] | None
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


def table_classes(table: Mapping, classes: Classes | None) -> tuple[tuple[str, ...], dict]:
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
