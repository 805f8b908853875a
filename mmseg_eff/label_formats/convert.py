"""Convert labels of another tool into PNGs of class indices."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from ..errors import InputError
from ..utils.atomic_io import replacing
from ..utils.image_io import write_png
from ..utils.json_files import read_json
from ..utils.printing import console
from .classes import IGNORED
from .formats import FORMATS, find_labels
from .source import label_name


@dataclass(frozen=True)
class ConvertedLabels:
    """Result of ``convert``.

    Attributes:
        format: Format that the labels were read as.
        folder: Where the label PNGs are.
        names: Their names, with folders and without suffix.
        classes: Name of each label, in the order of the labels; 255 is ignored.
        palette: RGB colour of each class.
        list_file: Image list with ``names``, to be a dataset's ``ann_file``.
        metainfo_file: JSON of ``classes`` and ``palette``, beside a ``.py`` of them that serves as
            base config.
        notes: What the conversion left out or found worth knowing, a line each.
    """

    format: str
    folder: Path
    names: list[str]
    classes: tuple[str, ...]
    palette: list[list[int]]
    list_file: Path
    metainfo_file: Path
    notes: list[str]


def convert(source: Path, out: Path, format: str | None = None, **options: Any) -> ConvertedLabels:
    """Write ``out/{name}.png`` for each image, and beside ``out`` a list and the classes.

        converted = convert(Path('annotations.xml'), Path('labels/train'))
        print(converted.classes, len(converted.names))

    ``{out}.txt`` lists the images, with their folders and without suffix, and serves as
    ``ann_file``; ``{out}.metainfo.json`` and ``.py``, a base config, hold ``classes`` and
    ``palette``. Each file is written atomically.

    Args:
        source: File or folder of the labels, see the reader of each format; or a zip file of them.
        out: Folder of the PNGs.
        format: Key of ``FORMATS``; without, what ``detect`` finds.
        options: Those that the format's reader takes, such as ``classes``: names of the labels in
            their order, or ``metainfo.json`` of another split, whose classes these get by name.

    Raises:
        InputError: If the source is damaged, or no pixel is of another class than the first.
    """
    name, labels = find_labels(source, format, **options)
    if FORMATS[name].is_masks and source.resolve() in (out.resolve(), *out.resolve().parents):
        raise InputError(f'{out}: is in the folder of the masks themselves; give another one')
    found = np.zeros(256, bool)
    names, num_empty = [], 0
    for item in track(labels.items, 'converting', console=console(stderr=True)):
        label = item.draw()
        present = np.bincount(label.ravel(), minlength=256).astype(bool)
        found |= present
        present[[IGNORED, IGNORED if labels.fill is None else labels.fill]] = False
        is_empty = labels.fill is not None and not present.any()
        num_empty += is_empty
        if not (is_empty and labels.skips_empty):
            write_png(out / f'{label_name(f"{item.name}.png")}.png', label)
            names.append(item.name)
    found[IGNORED] = False
    if not found[1:].any():
        first = labels.classes[0] if found[0] else 'none'
        why = f' ({", ".join(labels.notes())})' if labels.left_out else ''
        raise InputError(
            f'{source}: no pixel of a class but {first!r} in {len(labels.items)} labels{why}'
        )
    notes = labels.notes()
    if num_empty:
        fate = 'ignored' if labels.fill == IGNORED else 'background'
        fate = 'left out' if labels.skips_empty else fate
        notes.append(f'{num_empty} images without an object are {fate}')
    absent = [c for i, c in enumerate(labels.classes) if not found[i]]
    if absent:
        notes.append(f'no pixel of {", ".join(absent)}')
    notes = [f'{source}: {note}' for note in notes]
    list_file, metainfo = out.with_name(f'{out.name}.txt'), metainfo_file(out)
    notes += other_classes(metainfo, labels.classes)
    with replacing(list_file) as temporary:
        temporary.write_text('\n'.join(names) + '\n', encoding='utf-8')
    write_metainfo(metainfo, labels.classes, labels.palette)
    return ConvertedLabels(
        name, out, names, labels.classes, labels.palette, list_file, metainfo, notes
    )


def metainfo_file(out: Path) -> Path:
    """File of the classes of the labels in a folder, beside it."""
    return out.with_name(f'{out.name}.metainfo.json')


def write_metainfo(file: Path, classes: tuple[str, ...], palette: list[list[int]]) -> None:
    """Write the classes and the palette as JSON and, for a config's ``_base_``, as Python."""
    metainfo = dict(classes=classes, palette=palette)
    python = ''.join(f'{key} = {value!r}\n' for key, value in metainfo.items())
    with replacing(file.with_suffix('.py')) as temporary:
        temporary.write_text(python, encoding='utf-8')
    with replacing(file) as temporary:
        text = json.dumps(metainfo, ensure_ascii=False) + '\n'
        temporary.write_text(text, encoding='utf-8')


def other_classes(own: Path, classes: tuple[str, ...]) -> Iterator[str]:
    """A note on each file of classes beside ``own`` that differs: is it of another split?"""
    for file in sorted(own.parent.glob('*.metainfo.json')):
        if file == own:
            continue
        try:
            names = read_json(file).get('classes')
        except InputError:  # somebody else's
            continue
        if names != [*classes]:
            yield f'{file}: has other classes; --like {file} gives the same ones'
