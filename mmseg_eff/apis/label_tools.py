"""Weights of a dataset's classes, and labels of other formats as PNGs of class indices."""

import json
from collections.abc import Mapping
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
from ..datasets.convert_labels import DATASETS, OWN, ConvertedLabels, convert_coco, convert_voc
from ..datasets.label_rules import class_names
from ..errors import InputError
from ..utils.atomic_io import remove_leftovers, replacing
from ..utils.output_folder import output_folder
from ..utils.printing import console
from ..utils.user_errors import on_interrupt

__all__ = ['ClassWeights', 'ConvertedLabels', 'class_weights', 'convert_labels']

CLASSES = {'coco': (OWN, *DATASETS), 'voc': tuple(DATASETS)}  # by format, the default first


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
    format: str = 'coco',
    classes: str | None = None,
    min_size: int | None = None,
    like: str | Path | None = None,
) -> ConvertedLabels:
    """Convert COCO annotations or VOC labels into PNGs of class indices, as mmseg's datasets read.

        labels = convert_labels('instances_train.json', 'data/cracks/labels/train')
        print(labels.classes, len(labels.names), *labels.notes, sep='\\n')

    Args:
        source: With ``'coco'`` a JSON file of instance annotations, with ``'voc'`` a folder of
            label PNGs, whose values are checked: 0 to 20 and 255.
        out: Folder for the label PNGs. From COCO, ``{out}.txt`` (the image list) and
            ``{out}.metainfo.json`` and ``.py`` (classes and palette) are written beside it.
        format: ``'coco'`` or ``'voc'``.
        classes: ``'own'`` (COCO only, its default): the file's categories become 1, 2, … in its
            order, and 0 is background. ``'voc'`` (the default of VOC): VOC's 21 classes.
            ``'foreground'``: all of VOC's objects as one class.
        min_size: COCO only: shorter side in pixels of the smallest image to convert; by default 1,
            with VOC's classes 256.
        like: COCO only: ``metainfo.json`` of another split, whose classes these labels get.

    Returns:
        Names and classes of the labels, and notes on what was left out. Nothing is printed but a
        progress bar on stderr.

    Raises:
        InputError: If the source is damaged or holds no object, or an argument is wrong.
        OutputError: If a file cannot be written.
    """
    if format not in CLASSES:
        raise InputError(f'format must be one of {", ".join(CLASSES)}, got {format!r}')
    classes = classes or CLASSES[format][0]
    if classes not in CLASSES[format]:
        raise InputError(f'classes must be one of {", ".join(CLASSES[format])}, got {classes!r}')
    if format == 'voc' and not (min_size is None and like is None):
        raise InputError('min_size and like are for COCO annotations only')
    out = Path(out).resolve()
    kept = f'the labels written so far are kept in {out}; start the command again'
    with output_folder(out), on_interrupt(kept):
        if format == 'voc':
            return convert_voc(Path(source), out, classes)
        return convert_coco(Path(source), out, classes, min_size, Path(like) if like else None)
