"""Convert labels of another tool into PNGs of class indices."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from ..datasets.coco_labels import IGNORED
from ..datasets.convert_labels import ConvertedLabels, write_lists
from ..errors import InputError
from ..utils.image_io import write_png
from ..utils.printing import console
from .formats import FORMATS, detect, read_labels
from .source import label_name


def convert(source: Path, out: Path, format: str | None = None, **options: Any) -> ConvertedLabels:
    """Write ``out/{name}.png`` for each image, and beside ``out`` a list and the classes.

        converted = convert(Path('annotations.xml'), Path('labels/train'))
        print(converted.classes, len(converted.names))

    ``{out}.txt`` lists the images, with their folders and without suffix, and serves as
    ``ann_file``; ``{out}.metainfo.json`` and ``.py``, a base config, hold ``classes`` and
    ``palette``. Each file is written atomically.

    Args:
        source: File or folder of the labels, see the reader of each format.
        out: Folder of the PNGs.
        format: Key of ``FORMATS``; without, what ``detect`` finds.
        options: Those that the format's reader takes, such as ``classes``: names of the labels in
            their order, or ``metainfo.json`` of another split, whose classes these get by name.

    Raises:
        InputError: If the source is damaged, or no pixel is of another class than the first.
    """
    name = format or detect(source)
    labels = read_labels(source, name, **options)
    if FORMATS[name].is_masks and source.resolve() in (out.resolve(), *out.resolve().parents):
        raise InputError(f'{out}: is in the folder of the masks themselves; give another one')
    found = np.zeros(256, bool)
    for item in track(labels.items, 'converting', console=console(stderr=True)):
        label = item.draw()
        found |= np.bincount(label.ravel(), minlength=256).astype(bool)
        write_png(out / f'{label_name(f"{item.name}.png")}.png', label)
    found[IGNORED] = False
    if not found[1:].any():
        first = labels.classes[0] if found[0] else 'none'
        raise InputError(
            f'{source}: no pixel of a class but {first!r} in {len(labels.items)} labels'
        )
    names = [item.name for item in labels.items]
    notes = [f'{source}: {note}' for note in labels.notes()]
    absent = [c for i, c in enumerate(labels.classes) if not found[i]]
    if absent:
        notes.append(f'{source}: no pixel of {", ".join(absent)}')
    return write_lists(name, out, names, labels.classes, labels.palette, notes)
