"""Weights of a dataset's classes, and labels of other formats as PNGs of class indices."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.progress import track

from ..config.load import as_config
from ..dataset_check.build import build_datasets, dataset_of, iterate_labels
from ..dataset_check.settle_labels import rules_of
from ..datasets.class_weights import METHODS, count_pixels
from ..datasets.label_rules import class_names
from ..errors import InputError
from ..label_formats import ConvertedLabels, convert
from ..label_formats.voc_classes import OWN
from ..utils.atomic_io import remove_leftovers, replacing
from ..utils.output_folder import output_folder
from ..utils.printing import console
from ..utils.user_errors import on_interrupt

__all__ = ['ClassWeights', 'ConvertedLabels', 'class_weights', 'convert_labels']


@dataclass(frozen=True)
class ClassWeights:
    """Result of ``class_weights``: one entry for each class, in the order of the labels.

    Attributes:
        classes: Names of the classes; the last one is ``ignored`` if ignored pixels count as one.
        pixels: Number of pixels of each class in the training labels.
        weights: Class weights, rounded to four digits: the ``class_weight`` of a loss.
    """

    classes: list[str]
    pixels: list[int]
    weights: list[float]

    @property
    def shares(self) -> list[float]:
        """Share of each class in the pixels counted, 0 to 1."""
        return [number / sum(self.pixels) for number in self.pixels]


def class_weights(
    config: Config | str | Path,
    *,
    method: str = 'inverse-log',
    log_offset: float = 1.10,
    count_ignored: bool = False,
    out: str | Path | None = None,
    options: Mapping[str, object] | None = None,
) -> ClassWeights:
    """Count the pixels of each class in the training labels of a config, and weight the classes.

        weights = class_weights('espnet-p2q8_1xb8-69k_camvid-360x480').weights
        options = {'model.decode_head.loss_decode.class_weight': weights}

    Args:
        config: Config with a ``train_dataloader``: a file, ``mmseg_eff::…``, a bare name, or a
            ``Config``, which is left as it is.
        method: ``'inverse-log'`` (ENet, ESPNet) or ``'median-frequency'`` (Eigen and Fergus).
        log_offset: Constant of ``'inverse-log'``, above 1: ESPNet 1.10, ENet 1.02.
        count_ignored: Treat the ignored pixels as one more class, the last one.
        out: JSON file to write the weights to; a loss's ``class_weight`` can name it.
        options: Settings of the config to override, by dotted key.

    Returns:
        Classes, pixels and weights. Nothing is printed but a progress bar on stderr.

    Raises:
        InputError: If the config has no training data, a label is damaged or out of range, all
            pixels are ignored, or an argument is wrong.
        OutputError: If ``out`` cannot be written.
    """
    if method not in METHODS:
        raise InputError(f'method must be one of {", ".join(METHODS)}, got {method!r}')
    config = as_config(config, options)
    init_default_scope(config.get('default_scope', 'mmseg'))
    dataset = dataset_of(config, 'train_dataloader')
    datasets = build_datasets(dataset, 'train_dataloader')
    ignored = rules_of(dataset, 'train_dataloader.dataset').ignore_index
    names = class_names(datasets[0])
    void = np.int16(len(names))  # beyond the classes, even if the ignored label is the index of one
    if count_ignored:
        names.append('ignored')
    labels = track(
        (np.where(label == ignored, void, label) for label in iterate_labels(datasets)),
        'counting',
        total=sum(map(len, datasets)),
        console=console(stderr=True),
    )
    counts, present = count_pixels(labels, len(names))
    if not counts.any():
        raise InputError(
            f'{config.filename or "config"}: all pixels of the training labels are ignored '
            f'({ignored})'
        )
    weights = METHODS[method](counts, present, log_offset).round(4).tolist()
    if out:
        remove_leftovers(Path(out).parent)
        with replacing(Path(out)) as temporary:
            temporary.write_text(json.dumps(weights) + '\n')
    return ClassWeights(names, counts.tolist(), weights)


def convert_labels(
    source: str | Path,
    out: str | Path,
    *,
    format: str | None = None,
    classes: str | Sequence[str] | Path | None = None,
    min_size: int | None = None,
    like: str | Path | None = None,
    colors: str | Path | None = None,
    values: Mapping[int, str] | str | Path | None = None,
    split: str | None = None,
) -> ConvertedLabels:
    """Convert the labels of another tool into PNGs of class indices, as mmseg's datasets read.

        labels = convert_labels('instances_train.json', 'data/cracks/labels/train')
        print(labels.classes, len(labels.names), *labels.notes, sep='\\n')

    Beside ``out``, ``{out}.txt`` (the image list) and ``{out}.metainfo.json`` and ``.py`` (classes
    and palette) are written.

    Args:
        source: File or folder of the labels, see the reader of each format; or a zip file of them.
        out: Folder for the label PNGs.
        format: Key of ``label_formats.FORMATS``; what the source holds by default.
        classes: Names of the labels in their order. Or what COCO's categories or VOC's labels
            become: ``'own'`` (COCO's default), 1, 2, … in the order of the file, with 0 for the
            background; ``'voc'``, VOC's 21 classes; ``'foreground'``, all of VOC's objects as one
            class.
        min_size: COCO only: shorter side in pixels of the smallest image to convert; by default 1,
            with VOC's classes 256.
        like: ``metainfo.json`` of another split, or a file of one name a line: its classes.
        colors: Colour masks only: file of the table of colours, or ``'camvid'``.
        values: Value masks only: name of each value, or a file of them.
        split: YOLO only: split of ``data.yaml`` to convert.

    Returns:
        Format, names and classes of the labels, and notes on what was left out. Nothing is printed
        but a progress bar on stderr.

    Raises:
        InputError: If the source is damaged or holds no object, or an argument is wrong.
        OutputError: If a file cannot be written.
    """
    source, out = Path(source), Path(out).resolve()
    if like is not None:
        if classes not in (None, OWN):
            raise InputError('give either classes or like')
        classes = Path(like)
    kept = f'the labels written so far are kept in {out}; start the command again'
    with output_folder(out), on_interrupt(kept):
        return convert(
            source,
            out,
            format,
            classes=classes,
            min_size=min_size,
            colors=colors,
            values=values,
            split=split,
        )
