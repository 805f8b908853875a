"""Convert COCO annotations or VOC labels into PNGs of class indices."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmseg.datasets import PascalVOCDataset
from numpy.typing import NDArray
from rich.progress import track

from ..errors import InputError, OutputError
from ..utils.atomic_io import replacing
from ..utils.image_io import write_png
from ..utils.json_files import read_json
from ..utils.printing import console
from .coco_labels import (
    COCO_IDS,
    IGNORED,
    Classes,
    draw_labels,
    own_classes,
    read_coco,
    same_classes,
    voc_classes,
)
from .transforms import LoadCheckedAnnotations
from .voc_foreground import ForegroundVOCDataset

DATASETS = {'voc': PascalVOCDataset, 'foreground': ForegroundVOCDataset}
OWN = 'own'
MIN_SIZE = 256  # pixels, of VOC's classes in COCO, as ESPNetv2's authors choose


@dataclass(frozen=True)
class ConvertedLabels:
    """Result of ``convert_labels``.

    Attributes:
        format: Format that the labels were read as.
        folder: Where the label PNGs are.
        names: Their names, with folders and without suffix.
        classes: Name of each label, in the order of the labels; 255 is ignored.
        palette: RGB colour of each class.
        list_file: Image list with ``names``, to be a dataset's ``ann_file``; ``None`` from VOC,
            whose own lists fit.
        metainfo_file: JSON of ``classes`` and ``palette``, beside a ``.py`` of them that serves as
            base config; ``None`` from VOC, whose datasets know their classes.
        notes: What the conversion left out or found worth knowing, a line each.
    """

    format: str
    folder: Path
    names: list[str]
    classes: tuple[str, ...]
    palette: list[list[int]]
    list_file: Path | None
    metainfo_file: Path | None
    notes: list[str]


def label_table(classes: str) -> NDArray[np.uint8]:
    """New label of each VOC label (256,) for a key of ``DATASETS``."""
    table = np.arange(256, dtype=np.uint8)
    if classes == 'foreground':
        for old, new in ForegroundVOCDataset.get_label_map().items():
            table[old] = new
    return table


def classes_of(categories: dict[int, str], classes: str, like: Path | None) -> Classes:
    """The classes that the categories of a file are drawn as, see ``convert_coco``."""
    if like:
        if classes != OWN:
            raise InputError(f'--like is for categories of your own, got --classes {classes}')
        return same_classes(categories, like)
    if classes == OWN:
        return own_classes(categories)
    table, metainfo = label_table(classes), DATASETS[classes].METAINFO
    labels = {index: int(table[label]) for index, label in voc_classes(categories).items()}
    return Classes(tuple(metainfo['classes']), metainfo['palette'], labels)


def convert_coco(
    path: Path,
    out: Path,
    classes: str = OWN,
    min_size: int | None = None,
    like: Path | None = None,
) -> ConvertedLabels:
    """Write ``out/{name}.png`` for each image, and beside ``out`` a list and the classes.

    ``{out}.txt`` lists the images, with their folders and without suffix, and serves as
    ``ann_file``; ``{out}.metainfo.json`` and ``.py``, a base config, hold ``classes`` and
    ``palette``.

    Args:
        path: COCO instance annotations.
        out: Folder of the labels.
        classes: ``'own'``: the categories of the file become 1, 2, … in its order. A key of
            ``DATASETS``: categories with COCO's ids and names become VOC's classes or foreground.
        min_size: Images with a shorter side are left out; by default none of one's own classes,
            and those below 256 of VOC's, where images without an object are left out as well.
        like: ``metainfo.json`` of another file's labels, whose classes these get by name.

    Raises:
        InputError: If the file is damaged, its categories are not COCO's, or no image is left.
    """
    images, annotations, categories = read_coco(path)
    if min_size is None:
        min_size = 1 if classes == OWN else MIN_SIZE
    counts: Counter[str] = Counter()
    names, num_objects = [], 0
    images = [image for image in images if min(image['height'], image['width']) >= min_size]
    try:
        meaning = classes_of(categories, classes, like)
        for image in track(images, 'converting', console=console(stderr=True)):
            size = image['height'], image['width']
            label, of_image = draw_labels(annotations[image['id']], size, meaning.labels)
            counts += of_image
            has_object = bool(((label > 0) & (label != IGNORED)).any())
            num_objects += has_object
            if has_object or classes == OWN:
                names.append(image['stem'])
                write_png(out / f'{image["stem"]}.png', label)
    except OutputError:
        raise
    except InputError as error:
        raise InputError(f'{path}: {error}') from error
    if not num_objects:
        wanted = 'an object with a mask' if classes == OWN else 'a VOC class'
        raise InputError(f'{path}: no image of at least {min_size} pixels holds {wanted}')
    notes = []
    if counts['empty']:
        notes.append(f'{path}: {counts["empty"]} annotations have no pixel (a box only?)')
    if counts['other']:
        notes.append(f'{path}: {counts["other"]} annotations of other categories')
    if len(names) > num_objects:
        without = len(names) - num_objects
        notes.append(f'{path}: {without} images without an object are background')
    notes += other_classes(out, meaning)
    return write_lists('coco', out, names, meaning.names, meaning.palette, notes)


def write_lists(
    format: str,
    out: Path,
    names: list[str],
    classes: tuple[str, ...],
    palette: list[list[int]],
    notes: list[str],
) -> ConvertedLabels:
    """Write the image list and the classes beside the folder ``out`` of converted labels.

    Args:
        format, names, classes, palette, notes: See ``ConvertedLabels``, which is returned.
        out: Folder of the label PNGs.
    """
    list_file = out.with_name(f'{out.name}.txt')
    with replacing(list_file) as temporary:
        temporary.write_text('\n'.join(names) + '\n', encoding='utf-8')
    metainfo = metainfo_file(out)
    write_metainfo(metainfo, classes, palette)
    return ConvertedLabels(format, out, names, classes, palette, list_file, metainfo, notes)


def metainfo_file(out: Path) -> Path:
    """File of the classes of the labels in a folder, beside it."""
    return out.with_name(f'{out.name}.metainfo.json')


def write_metainfo(file: Path, classes: tuple[str, ...], palette: list[list[int]]) -> None:
    """Write the classes and the palette as JSON and, for a config's ``_base_``, as Python."""
    metainfo = dict(classes=classes, palette=palette)
    with replacing(file.with_suffix('.py')) as temporary:
        temporary.write_text(''.join(f'{key} = {value!r}\n' for key, value in metainfo.items()))
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(metainfo, ensure_ascii=False) + '\n')


def other_classes(out: Path, meaning: Classes) -> Iterator[str]:
    """A note on each file of classes beside ``out`` that differs: is it of another split?"""
    for file in sorted(out.parent.glob('*.metainfo.json')):
        if file == metainfo_file(out):
            continue
        try:
            names = read_json(file).get('classes')
        except InputError:  # somebody else's
            continue
        if names != [*meaning.names]:
            yield f'{file}: has other classes; --like {file} gives the same ones'


def convert_voc(folder: Path, out: Path, classes: str = 'voc') -> ConvertedLabels:
    """Write each VOC label ``folder/*.png``, grey or with a palette, to ``out`` without a palette.

    Args:
        folder: Labels 0 to 20 and 255; VOC's own lists of stems name them.
        out: Another folder.
        classes: Key of ``DATASETS``.

    Raises:
        InputError: If there is no label, or one is damaged or holds another value.
    """
    if not folder.is_dir():
        raise InputError(f'{folder}: no such folder')
    paths = sorted(folder.glob('*.png'))
    if not paths:
        raise InputError(f'{folder}: holds no label *.png')
    if out.resolve() == folder.resolve():
        raise InputError(f'{out}: is the folder of the labels themselves; give another one')
    load, table = LoadCheckedAnnotations(len(COCO_IDS)), label_table(classes)
    for path in track(paths, 'converting', console=console(stderr=True)):
        results = dict(seg_map_path=str(path), seg_fields=[], reduce_zero_label=False)
        write_png(out / path.name, table[load(results)['gt_seg_map']])
    metainfo = DATASETS[classes].METAINFO
    names = [path.stem for path in paths]
    return ConvertedLabels(
        'voc', out, names, tuple(metainfo['classes']), metainfo['palette'], None, None, []
    )
