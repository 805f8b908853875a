"""Read and write CVAT's "Segmentation mask": ``labelmap.txt`` and ``SegmentationClass/*.png``."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..utils.atomic_io import replacing
from ..utils.image_io import write_png
from .classes import (
    BACKGROUND,
    BACKGROUND_NAMES,
    IGNORED,
    Classes,
    check_name,
    class_list,
    colors,
    object_classes,
)
from .image_files import decode, find_images, open_image
from .masks import NO_LABEL, draw_colors, mask_source, pack
from .source import LabelMap, LabelSource, label_name, naming
from .tables import read_color_table

LABEL_MAP, MASKS, LIST = 'labelmap.txt', 'SegmentationClass', 'ImageSets/Segmentation/default.txt'
VOC_VOID = (224, 224, 192)  # of ignored pixels
IGNORED_NAME = 'ignored'


def read_cvat_masks(source: Path, classes: Classes | None = None) -> LabelSource:
    """Labels of CVAT, exported as "Segmentation mask".

    Masks are of the colours of ``labelmap.txt``, or grey with the labels' numbers in its order. The
    label ``background`` is 0, the others are 1, 2, … in the order of the file.

    Args:
        source: The unpacked export.
        classes: See ``class_list``.

    Raises:
        InputError: If a file is missing or damaged, or a mask holds another colour.
    """
    path = source / LABEL_MAP
    table = read_color_table(path)
    order = [*table.values()]
    with naming(path):
        if len(set(order)) < len(order):
            raise InputError(f'gives several colours to one label of {", ".join(order)}')
        meaning = object_classes(order, None if classes is None else class_list(classes))
    labels = {color: meaning.labels[name] for color, name in table.items()}
    labels.setdefault(VOC_VOID, IGNORED)
    labels.setdefault((0, 0, 0), meaning.fill)
    codes = np.full(1 << 24, NO_LABEL, np.uint16)
    for color, label in labels.items():
        codes[pack(np.array(color))] = label
    numbers = np.array([meaning.labels[name] for name in order], np.uint8)

    def draw(file: Path) -> LabelMap:
        with open_image(file) as image:
            if image.mode not in ('L', '1'):
                return draw_colors(image, codes, labels)
            values = decode(image).astype(np.uint8)
        if values.max() >= len(numbers):
            raise InputError(
                f'value {values.max()}; {LABEL_MAP} has the labels 0 to {len(order) - 1}'
            )
        return numbers[values]

    palette = meaning.palette
    if classes is None:
        given = {name: list(color) for color, name in table.items()}
        palette = [given.get(name, meaning.palette[i]) for i, name in enumerate(meaning.names)]
    folder = source / MASKS
    return mask_source(folder, meaning.names, palette, draw, find_images(folder))


def write_cvat_masks(
    out: Path,
    predictions: Iterable[tuple[str, LabelMap]],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] | None = None,
) -> list[str]:
    """Write label maps as a folder that CVAT imports as "Segmentation mask 1.1", once zipped.

        write_cvat_masks(Path('for_cvat'), [('a.jpg', labels)], ('background', 'crack'))

    Args:
        out: Folder for ``labelmap.txt``, ``SegmentationClass`` and the list of images.
        predictions: Name of each image, with its folders below the task's, and its labels (H, W);
            255 is written as a label ``ignored``.
        classes: Names of the labels, in their order. Where none is called ``background``, CVAT
            gets one more label of that name, of no pixel.
        palette: RGB colour of each class; VOC's where there is none, colours are not unique, or
            black is of another class than the background.

    Returns:
        The names of the labels, without suffix.

    Raises:
        InputError: If a name leads out of ``out``, a label is no class, or a class's name holds a
            colon.
    """
    table = color_table(classes, palette)
    names, has_ignored = [], False
    for given, labels in predictions:
        name = label_name(given)
        with naming(f'image {name!r}'):
            check_labels(labels, len(classes))
        has_ignored |= bool((labels == IGNORED).any())
        write_png(out / MASKS / f'{name}.png', table[labels][..., ::-1])
        names.append(name)
    lines = [f'{name}:{",".join(map(str, table[i]))}::' for i, name in enumerate(classes)]
    if not any(name.lower() == BACKGROUND for name in classes):
        lines.insert(0, f'{BACKGROUND}:0,0,0::')
    if has_ignored:
        lines.append(f'{IGNORED_NAME}:{",".join(map(str, VOC_VOID))}::')
    header = '# label:color_rgb:parts:actions'
    for file, content in ((out / LABEL_MAP, [header, *lines]), (out / LIST, names)):
        with replacing(file) as temporary:
            temporary.write_text('\n'.join(content) + '\n', encoding='utf-8')
    return names


def color_table(classes: Sequence[str], palette: Sequence[Sequence[int]] | None) -> np.ndarray:
    """RGB colour (256, 3) of each label."""
    chosen = class_list(list(classes))
    for name in classes:
        if ':' in name or name.startswith('#') or name != name.strip():
            raise InputError(
                f'class {name!r}; {LABEL_MAP} cannot hold a colon, # or blanks at ends'
            )
    background = next((i for i, n in enumerate(classes) if n.lower() in BACKGROUND_NAMES), None)
    rows = [tuple(color) for color in palette or ()]
    black = rows.index((0, 0, 0)) if (0, 0, 0) in rows else background
    if len(rows) != len(classes) or len({*rows, VOC_VOID}) <= len(rows) or black != background:
        others = iter(colors(len(chosen.names) + 1)[1:])
        rows = [(0, 0, 0) if i == background else tuple(next(others)) for i in range(len(classes))]
    table = np.zeros((256, 3), np.uint8)
    table[: len(rows)] = rows
    table[IGNORED] = VOC_VOID
    return table


def check_labels(labels: LabelMap, count: int) -> None:
    """Refuse what is no label map of ``count`` classes and the ignored 255."""
    if labels.ndim != 2 or not labels.size or labels.dtype.kind not in 'ui':
        raise InputError(f'labels of shape {labels.shape} and type {labels.dtype}; expected (H, W)')
    bad = labels[(labels >= count) & (labels != IGNORED)]
    if len(bad):
        raise InputError(f'label {bad[0]}; allowed are 0 to {count - 1} and {IGNORED}')


def objects_of(labels: LabelMap, classes: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Name and mask (H, W) of each class of a label map, without the background."""
    check_labels(labels, len(classes))
    names = {i: check_name(n) for i, n in enumerate(classes) if n.lower() not in BACKGROUND_NAMES}
    names[IGNORED] = IGNORED_NAME
    present = np.unique(labels).tolist()
    return [(names[label], labels == label) for label in present if label in names]
