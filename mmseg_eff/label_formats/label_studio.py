"""Read Label Studio's JSON export: brush strokes, bitmasks, polygons, rectangles and ellipses."""

import base64
import binascii
import os.path
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import InputError
from .brush_rle import decode_brush
from .canvas import Canvas, box, ellipse, finite, points_of
from .classes import Classes, ObjectClasses, check_name, class_list, object_classes
from .image_files import decode_mask, only_file
from .json_source import Parsed, content_of
from .source import LabelItem, LabelMap, LabelSource, check_size, check_unique, label_name, naming

LABEL_KEYS = (
    *('brushlabels', 'bitmasklabels', 'polygonlabels', 'rectanglelabels', 'ellipselabels'),
    'labels',
)
GEOMETRY = ('rle', 'imageDataURL', 'points', 'radiusX', 'width')  # one of a region's keys
KINDS = {'annotations', 'predictions', 'id'}  # one of a task's keys
MIN_KEYS = {'annotation_id', 'annotator'}  # of a record of JSON-MIN, which has no "data"
TIMES = ('created_at', 'updated_at')
UPLOAD = '/data/upload/'  # of uploaded images, whose names get eight digits and a hyphen
PNG = 'data:image/png;base64,'


class Task(NamedTuple):
    """An image with its regions."""

    where: str
    url: str
    size: tuple[int, int]
    regions: list[tuple[str, dict]]  # name of the class, value


def is_label_studio(content: object) -> bool:
    """Whether the content of a JSON file is Label Studio's JSON or JSON-MIN."""
    task = content[0] if isinstance(content, list) and content else None
    return isinstance(task, dict) and (
        ('data' in task and not KINDS.isdisjoint(task)) or is_min(task)
    )


def is_min(task: object) -> bool:
    """Whether a record is of JSON-MIN."""
    return isinstance(task, dict) and 'data' not in task and task.keys() >= MIN_KEYS


def read_label_studio(
    source: Path, classes: Classes | None = None, parsed: Parsed | None = None
) -> LabelSource:
    """Labels of Label Studio, exported as JSON or JSON-MIN.

    Of a task, the last annotation that is not cancelled counts; predictions do not. Later regions
    are drawn over earlier ones, and a region of several labels gets the first. Labels have the
    images' names below the folder that all images share, without the digits that an upload adds.

    Args:
        source: The file, or a folder with one JSON file.
        classes: See ``class_list``; without, the names found, sorted.
        parsed: Content of the file, if it was read to find the format.

    Raises:
        InputError: If the file is damaged or of another kind.
    """
    chosen = None if classes is None else class_list(classes)
    path = only_file(source, ['*.json'], "Label Studio's JSON export")
    content = content_of(path, parsed)
    left_out = Counter[str]()
    with naming(path):
        if not is_label_studio(content):
            raise InputError('no list of tasks with "data" and "annotations"; export as JSON')
        if is_min(content[0]):
            content = tasks_of_min(content)
        read = [read_task(task, f'task [{i}]', left_out) for i, task in enumerate(content)]
        tasks = [task for task in read if task]
        if not tasks:
            why = ', '.join(f'{count} {what}' for what, count in left_out.items())
            raise InputError(f'holds no labelled area in a submitted annotation ({why})')
        found = sorted({name for task in tasks for name, _ in task.regions})
        meaning = object_classes(found, chosen)
        names = names_of([task.url for task in tasks])
        items = [item_of(path, t, name, meaning) for t, name in zip(tasks, names, strict=True)]
        check_unique(items)
    return LabelSource(meaning.names, meaning.palette, items, left_out, meaning.fill)


def item_of(path: Path, task: Task, name: str, meaning: ObjectClasses) -> LabelItem:
    """The item of a task."""

    def draw() -> LabelMap:
        with naming(path), naming(task.where):
            canvas = Canvas(task.size, meaning.fill)
            for name, value in task.regions:
                with naming(f'region of {name!r}'):
                    draw_region(canvas, value, meaning.labels[name])
            return canvas.labels()

    return LabelItem(name, task.size, draw)


def tasks_of_min(records: list) -> list[object]:
    """Tasks of the records of JSON-MIN, as label-studio-sdk's converter writes them.

    It has a record for each annotation, a task's newest first, with the task's data, the ``value``
    and the size of each region in a list of the name of its tag, and no cancelled annotations.
    """
    tasks: dict[object, dict] = {}
    for index, record in enumerate(records):
        if not is_min(record):
            raise InputError(f'task [{index}]: no record of JSON-MIN as those before')
        lists = [value for value in record.values() if isinstance(value, list)]
        result = [
            dict(
                value=value,
                original_height=value.get('original_height'),
                original_width=value.get('original_width'),
            )
            for values in lists
            for value in values
            if isinstance(value, dict)
        ]
        data = {k: v for k, v in record.items() if isinstance(v, str) and k not in TIMES}
        key = record.get('id')
        task = tasks.setdefault(
            key if isinstance(key, int | str) else f'[{index}]', dict(data=data, annotations=[])
        )
        task['annotations'].insert(0, dict(result=result))
    return [*tasks.values()]


def read_task(task: object, where: str, left_out: Counter[str]) -> Task | None:
    """The regions of a task's annotation; ``None`` of a task without one or without a region."""
    data = task.get('data') if isinstance(task, dict) else None
    annotations = task.get('annotations') if isinstance(task, dict) else None
    with naming(where):
        if not isinstance(data, dict) or not isinstance(annotations, list | None):
            raise InputError('has no "data" or no list "annotations"')
        done = [a for a in annotations or () if isinstance(a, dict) and not a.get('was_cancelled')]
        if not done:
            left_out['tasks without an annotation'] += 1
            return None
        if len(done) > 1:
            left_out['tasks with several annotations, of which the last counts'] += 1
        results = done[-1].get('result')
        if not isinstance(results, list) or not all(isinstance(r, dict) for r in results):
            raise InputError('its annotation has no list "result"')
        sizes, regions = set(), []
        for index, result in enumerate(results):
            with naming(f'result[{index}]'):
                region = read_region(result)
                if region is None:
                    left_out['results that are no labelled area'] += 1
                    continue
                regions.append(region)
                sizes.add(check_size(result.get('original_height'), result.get('original_width')))
        if not regions:
            left_out['tasks without an area, whose size is unknown'] += 1
            return None
        if len(sizes) > 1:
            raise InputError(f'regions of images of different sizes, {sorted(sizes)}')
        return Task(where, image_url(data), sizes.pop(), regions)


def read_region(result: dict) -> tuple[str, dict] | None:
    """Class and value of a result, if it is a labelled area."""
    value = result.get('value')
    if not isinstance(value, dict) or not any(key in value for key in GEOMETRY):
        return None
    labels = next((value[key] for key in LABEL_KEYS if value.get(key)), None)
    if labels is None:
        return None
    if not isinstance(labels, list):
        raise InputError(f'labels {labels!r:.60}; expected a list of names')
    if result.get('image_rotation'):
        raise InputError(
            f'image_rotation {result["image_rotation"]!r:.60}; rotate the image file instead'
        )
    return check_name(labels[0]), value


def image_url(data: dict) -> str:
    """The address of a task's image: ``image``, or the only text of its data."""
    texts = [value for value in data.values() if isinstance(value, str)]
    url = data.get('image', texts[0] if len(texts) == 1 else None)
    if not isinstance(url, str):
        raise InputError('no address of an image in "data"; expected "image"')
    return url


def names_of(urls: Sequence[str]) -> list[str]:
    """Names of the labels: paths below the folder that all images share, without suffix."""
    paths = []
    for url in urls:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise InputError(f'image {url!r:.60}: no address ({error})') from error
        local = parse_qs(parts.query).get('d')  # of files on the server's disk
        text = local[0] if local else unquote(parts.path)
        path = PurePosixPath('/', text.replace('\\', '/').lstrip('/'))
        if not local and parts.path.startswith(UPLOAD):
            path = path.with_name(re.sub(r'^[0-9a-f]{8}-(?=.)', '', path.name) or 'image')
        paths.append(path)
    shared = os.path.commonpath([path.parent for path in paths]) if paths else '/'
    return [label_name(str(path.relative_to(shared))) for path in paths]


def draw_region(canvas: Canvas, value: dict, label: int) -> None:
    """Draw a region, whose numbers are percent of the image's width and height."""
    height, width = canvas.size

    def pixels(key: str, side: int) -> float:
        return finite(value.get(key), key) * side / 100

    rotation = finite(value.get('rotation') or 0, 'rotation')
    if 'rle' in value:
        if not isinstance(value['rle'], list):
            raise InputError('rle is no list of bytes')
        canvas.draw_mask(decode_brush(value['rle'], canvas.size), 0, 0, label)
    elif 'imageDataURL' in value:
        url = value['imageDataURL']
        if not isinstance(url, str) or not url.startswith(PNG):
            raise InputError(f'imageDataURL {url!r:.60}; expected {PNG}')
        try:
            data = base64.b64decode(url.removeprefix(PNG), validate=True)
        except (binascii.Error, ValueError) as error:
            raise InputError(f'imageDataURL is no base64 ({error})') from error
        canvas.draw_mask(decode_mask(data, canvas.size), 0, 0, label)
    elif 'points' in value:
        points = points_of(value['points'], 3)
        canvas.draw_polygon([(x * width / 100, y * height / 100) for x, y in points], label)
    elif 'radiusX' in value:
        center = pixels('x', width), pixels('y', height)
        radii = pixels('radiusX', width), pixels('radiusY', height)
        canvas.draw_polygon(ellipse(center, radii, rotation), label)
    else:
        left, top = pixels('x', width), pixels('y', height)
        right, bottom = left + pixels('width', width), top + pixels('height', height)
        canvas.draw_polygon(box(left, top, right, bottom, rotation, corner=True), label)
