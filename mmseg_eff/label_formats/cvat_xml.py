"""Read the XML of "CVAT for images": polygons, boxes, ellipses and masks."""

import math
from collections import Counter
from pathlib import Path
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..utils.file_limit import check_file
from .canvas import Canvas, box, ellipse, finite, points_of, whole
from .classes import Classes, ObjectClasses, check_name, class_list, object_classes
from .image_files import only_file
from .source import LabelItem, LabelMap, LabelSource, check_size, check_unique, label_name, naming

AREAS = ('polygon', 'box', 'ellipse', 'mask')
OTHERS = ('polyline', 'points', 'cuboid', 'skeleton')
DEEPEST = 32  # elements within each other
NAMES = ('labels', 'label', 'name')  # elements that hold a label's name

Shape = tuple[str, dict[str, str]]  # element and attributes


class CvatFile:
    """The content of a file, read without a tree of its elements.

    Entities, by which a small file can ask for much memory, need a document type, which CVAT never
    writes and which is refused.

    Attributes:
        names: Of the labels, in the order of the task.
        images: Attributes of each image.
        shapes: Of each image, in the order of the file.
    """

    def __init__(self, path: Path) -> None:
        self.names: list[str] = []
        self.images: list[dict[str, str]] = []
        self.shapes: list[list[Shape]] = []
        self.open: list[str] = []
        self.text = ''
        check_file(path)
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self.refuse_doctype
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.characters
        try:
            with open(path, 'rb') as file:
                parser.ParseFile(file)
        except (expat.ExpatError, LookupError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f'not XML ({error})') from error

    def refuse_doctype(self, name: str, *_: object) -> None:
        raise InputError(f'has a document type ({name!r:.60}), which CVAT does not write')

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.open.append(tag)
        self.text = ''
        if self.open[0] != 'annotations':
            raise InputError(f'<{tag:.60}> instead of <annotations>; expected "CVAT for images"')
        if tag == 'track':
            raise InputError('is "CVAT for video"; export the task as "CVAT for images"')
        if len(self.open) > DEEPEST:
            raise InputError(f'elements are more than {DEEPEST} deep')
        if tag == 'image' and len(self.open) == 2:
            self.images.append(attributes)
            self.shapes.append([])
        elif len(self.open) == 3 and self.open[1] == 'image':
            self.shapes[-1].append((tag, attributes))

    def end(self, tag: str) -> None:
        if tuple(self.open[-3:]) == NAMES:
            self.names.append(check_name(self.text.strip()))
        self.open.pop()

    def characters(self, text: str) -> None:
        if tuple(self.open[-3:]) == NAMES:
            self.text += text


def read_cvat(source: Path, classes: Classes | None = None) -> LabelSource:
    """Labels of CVAT, exported as "CVAT for images".

    Shapes are drawn by their ``z_order``, of equal ones later over earlier. Polylines, points,
    cuboids and skeletons cover no area and are left out.

    Args:
        source: ``annotations.xml``, or its folder.
        classes: See ``class_list``; without, the labels of the task in its order.

    Raises:
        InputError: If the file is damaged or of another kind.
    """
    chosen = None if classes is None else class_list(classes)
    path = only_file(source, ['annotations.xml'], 'the export "CVAT for images", unpacked')
    left_out = Counter[str]()
    with naming(path):
        content = CvatFile(path)
        used = [
            check_name(attributes.get('label'))
            for shapes in content.shapes
            for tag, attributes in shapes
            if tag in AREAS
        ]
        meaning = object_classes([*content.names, *used], chosen)
        items = [
            item_of(path, image, shapes, meaning, left_out)
            for image, shapes in zip(content.images, content.shapes, strict=True)
        ]
        check_unique(items)
    return LabelSource(meaning.names, meaning.palette, items, left_out, meaning.fill)


def item_of(
    path: Path,
    image: dict[str, str],
    shapes: list[Shape],
    meaning: ObjectClasses,
    left_out: Counter[str],
) -> LabelItem:
    """The item of an image."""
    name = label_name(image.get('name'))
    with naming(f'image {name!r}'):
        size = check_size(whole(image.get('height'), 'height'), whole(image.get('width'), 'width'))
    left_out.update(f'{tag} annotations, which have no area' for tag, _ in shapes if tag in OTHERS)
    areas = [shape for shape in shapes if shape[0] in AREAS]

    def draw() -> LabelMap:
        with naming(path), naming(f'image {name!r}'):
            canvas = Canvas(size, meaning.fill)
            for tag, values in sorted(areas, key=z_order):
                with naming(f'{tag} of {values["label"]!r}'):
                    draw_shape(canvas, tag, values, meaning.labels[values['label']])
            return canvas.labels()

    return LabelItem(name, size, draw)


def z_order(shape: Shape) -> int:
    """The layer of a shape; higher ones are on top."""
    return whole(shape[1].get('z_order', '0'), 'z_order')


def draw_shape(canvas: Canvas, tag: str, values: dict[str, str], label: int) -> None:
    """Draw an element of ``AREAS``."""

    def number(key: str, default: str | None = None) -> float:
        return finite(values.get(key, default), key)

    if tag == 'mask':
        top, left = whole(values.get('top'), 'top'), whole(values.get('left'), 'left')
        size = check_size(
            whole(values.get('height'), 'height'), whole(values.get('width'), 'width')
        )
        canvas.draw_mask(decode_rle(values.get('rle', ''), size), top, left, label)
    elif tag == 'polygon':
        text = values.get('points', '')
        pairs = [pair.split(',') for pair in text.split(';')]
        canvas.draw_polygon(points_of(pairs, 3), label)
    elif tag == 'box':
        x, y, right, bottom = (number(key) for key in ('xtl', 'ytl', 'xbr', 'ybr'))
        canvas.draw_polygon(box(x, y, right, bottom, number('rotation', '0')), label)
    else:
        center, radii = (number('cx'), number('cy')), (number('rx'), number('ry'))
        canvas.draw_polygon(ellipse(center, radii, number('rotation', '0')), label)


def decode_rle(text: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask (H, W) of CVAT's run lengths along the rows, the first of background.

    Raises:
        InputError: If they are no whole numbers, or do not cover ``size``.
    """
    counts = [count.strip() for count in text.split(',')]
    if not all(count.isascii() and count.isdigit() and len(count) < 12 for count in counts):
        raise InputError(f'rle {text!r:.60}; expected whole numbers, separated by commas')
    lengths = np.array(counts, np.int64)
    if lengths.sum() != math.prod(size):
        raise InputError(f'rle covers {lengths.sum()} pixels; its mask has {math.prod(size)}')
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(size)
