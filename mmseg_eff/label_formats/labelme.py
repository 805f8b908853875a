"""Read labelme's JSON files and draw them as labelme's own ``shapes_to_label`` does."""

import base64
import binascii
import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ..errors import InputError
from ..utils.json_files import LIMIT
from .canvas import Canvas, points_of, whole
from .classes import Classes, ObjectClasses, check_name, class_list, object_classes
from .image_files import decode_mask, image_size, name_below, size_of_data, visible_files
from .json_source import Parsed, content_of
from .source import LabelItem, LabelMap, LabelSource, check_size, check_unique, listed, naming

LINE_WIDTH, POINT_RADIUS = 10, 5  # pixels, as labelme draws them
NUM_POINTS = {  # of each type of shape, at least
    'polygon': 3,
    'rectangle': 2,
    'oriented_rectangle': 4,
    'circle': 2,
    'line': 2,
    'linestrip': 2,
    'point': 1,
    'mask': 2,
}


class Shape(NamedTuple):
    """A shape of a file.

    Attributes:
        name: Of its class.
        kind: Key of ``NUM_POINTS``.
        points: x, y of each.
        mask: PNG in base64, of the kind ``mask`` only.
    """

    name: str
    kind: str
    points: list[tuple[float, float]]
    mask: str


class File(NamedTuple):
    """A file of labelme's."""

    path: Path
    name: str
    size: tuple[int, int]
    shapes: list[Shape]


def is_labelme(content: object) -> bool:
    """Whether the content of a JSON file is labelme's."""
    return isinstance(content, dict) and 'shapes' in content and 'imagePath' in content


def read_labelme(
    source: Path, classes: Classes | None = None, parsed: Parsed | None = None
) -> LabelSource:
    """Labels of labelme: polygons, rectangles, circles, lines, points and masks.

    Later shapes are drawn over earlier ones. Lines are 10 pixels wide and points 5 in radius, as
    labelme draws them. A label has the name of its JSON file, which is the image's.

    Args:
        source: A file, or a folder of them at any depth; other JSON files are skipped.
        classes: See ``class_list``; without, the names found, sorted.
        parsed: Content of one of the files, if it was read to find the format.

    Raises:
        InputError: If no file is labelme's, or one is damaged.
    """
    chosen = None if classes is None else class_list(classes)
    folder = source if source.is_dir() else source.parent
    files, left_out = [], Counter[str]()
    for path in sorted(visible_files(source, ['.json'])) if source.is_dir() else [source]:
        content = content_of(path, parsed, LIMIT)
        if is_labelme(content):
            with naming(path):
                files.append(read_file(content, path, name_below(path, folder)))
        else:
            left_out["JSON files that are not labelme's"] += 1
    with naming(source):
        if not files:
            raise InputError('holds no JSON file of labelme ("shapes", "imagePath")')
        found = sorted({shape.name for file in files for shape in file.shapes})
        meaning = object_classes(found, chosen)
        items = [item_of(file, meaning) for file in files]
        check_unique(items)
    return LabelSource(meaning.names, meaning.palette, items, left_out, meaning.fill)


def item_of(file: File, meaning: ObjectClasses) -> LabelItem:
    """The item of a file."""
    return LabelItem(file.name, file.size, lambda: draw_file(file, meaning))


def read_file(content: dict, path: Path, name: str) -> File:
    """The shapes of a file, without the image that it may hold."""
    size = content.get('imageHeight'), content.get('imageWidth')
    size = check_size(*size) if size != (None, None) else find_size(content, path)
    shapes = content['shapes']
    if not isinstance(shapes, list):
        raise InputError(f'"shapes" is of type {type(shapes).__name__}; expected a list')
    read = []
    for index, shape in enumerate(shapes):
        with naming(f'shapes[{index}]'):
            read.append(read_shape(shape))
    return File(path, name, size, read)


def find_size(content: dict, path: Path) -> tuple[int, int]:
    """Height and width of the image of a file that does not tell, as those before labelme 4.

    Raises:
        InputError: If the file does not hold the image, and it is not beside it either.
    """
    data, given = content.get('imageData'), content['imagePath']
    if isinstance(data, str):
        with naming('imageData'):
            return size_of_data(decode_base64(data))
    if not isinstance(given, str) or not given.strip() or not given.isprintable():
        raise InputError(f'has no "imageHeight", and imagePath is {given!r:.60}')
    below = path.parent / given.replace('\\', '/')
    file = below if below.is_file() else path.with_name(below.name)
    if not file.is_file():
        raise InputError(f'has no "imageHeight", and its image {given!r:.200} is not there')
    return image_size(file, as_shown=True)


def decode_base64(text: str) -> bytes:
    """The bytes of an image in a file."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f'is no base64 ({error})') from error


def read_shape(shape: object) -> Shape:
    """A shape, checked."""
    if not isinstance(shape, dict):
        raise InputError(f'{shape!r:.60} is no shape')
    kind = shape.get('shape_type') or 'polygon'
    if kind not in NUM_POINTS:
        raise InputError(f'shape_type {kind!r:.60}; expected one of {listed([*NUM_POINTS])}')
    mask = shape.get('mask') if kind == 'mask' else ''
    if not isinstance(mask, str):
        raise InputError('has no "mask"; expected a PNG in base64')
    return Shape(
        check_name(shape.get('label')), kind, points_of(shape.get('points'), NUM_POINTS[kind]), mask
    )


def draw_file(file: File, meaning: ObjectClasses) -> LabelMap:
    """Label map of a file."""
    with naming(file.path):
        canvas = Canvas(file.size, meaning.fill)
        for index, shape in enumerate(file.shapes):
            with naming(f'shapes[{index}]'):
                draw_shape(canvas, shape, meaning.labels[shape.name])
        return canvas.labels()


def draw_shape(canvas: Canvas, shape: Shape, label: int) -> None:
    """Draw a shape by Pillow, in the part of the image that holds it."""
    if shape.kind == 'mask':
        (left, top), (right, bottom) = (map(math.trunc, point) for point in shape.points[:2])
        size = check_size(whole(bottom - top + 1, 'height'), whole(right - left + 1, 'width'))
        with naming('mask'):
            data = decode_base64(shape.mask)
        canvas.draw_mask(decode_mask(data, size), top, left, label)
        return
    points, margin = np.array(shape.points), 1.0
    if shape.kind == 'rectangle':  # of two corners, or four
        points = np.stack([points.min(0), points.max(0)])
    elif shape.kind == 'circle':
        radius = math.dist(*shape.points[:2])
        points = np.stack([points[0] - radius, points[0] + radius])
    elif shape.kind == 'point':
        points = np.stack([points[0] - POINT_RADIUS, points[0] + POINT_RADIUS])
    elif shape.kind in ('line', 'linestrip'):
        margin += LINE_WIDTH
    sides = points.max(0) - points.min(0)
    canvas.spend_outline(float(np.abs(np.diff(points, axis=0)).sum() + 2 * sides.sum()))
    height, width = canvas.size
    left, top = np.clip(np.floor(points.min(0) - margin), 0, (width, height)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(points.max(0) + margin) + 1, 0, (width, height)).astype(int)
    if left >= right or top >= bottom:
        return
    part = Image.new('1', (int(right) - left, int(bottom) - top))
    draw = ImageDraw.Draw(part)
    corners = [(float(x), float(y)) for x, y in points - (left, top)]
    if shape.kind in ('circle', 'point'):
        draw.ellipse(corners, outline=1, fill=1)
    elif shape.kind == 'rectangle':
        draw.rectangle(corners, outline=1, fill=1)
    elif shape.kind in ('line', 'linestrip'):
        draw.line(corners, fill=1, width=LINE_WIDTH)
    else:
        draw.polygon(corners, outline=1, fill=1)
    canvas.draw_mask(np.array(part, bool), top, left, label)
