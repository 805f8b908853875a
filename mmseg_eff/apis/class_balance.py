"""Pseudo labels that keep the same share of every class, its surest pixels.

One threshold for all keeps much of the classes that a teacher knows well, and next to nothing of
thin and rare ones; a student then forgets these. Source: class-balanced self-training (Zou et al.,
2018), https://arxiv.org/abs/1810.07911.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import all_gather_object
from numpy.typing import NDArray
from PIL import Image

from ..datasets.image_reader import ImageReader, to_display
from .inference import draw_overlay
from .pseudo_label_report import read_record, write_label
from .sources import Source, own_share, write_png
from .teacher import IGNORED, PseudoLabel

LEVELS = 256  # of a confidence in a PNG


def candidate(source: Source, folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Label (H, W), sure or not, and levels of confidence (H, W), of ``label_images``."""
    paths = (folder / kind / f'{source.name}.png' for kind in ('labels', 'confidence'))
    label, level = (np.array(Image.open(path)) for path in paths)
    return label, level


def limits_of_share(
    sources: Sequence[Source], folder: Path, num_classes: int, share: float
) -> NDArray[np.int64]:
    """The level of confidence (C,) that the surest ``share`` of each class's pixels reach.

    Args:
        sources: The images of all processes; each counts its own.
        folder: Of their ``labels`` and ``confidence``.
        num_classes: C, labels ``0 … C - 1``.
        share: Above 0, at most 1; of the pixels of each class in all images together.
    """
    counts = np.zeros((LEVELS, LEVELS), np.int64)
    for _, source in own_share(sources):
        label, level = candidate(source, folder)
        index = label.astype(np.int64) * LEVELS + level
        counts += np.bincount(index.ravel(), minlength=LEVELS**2).reshape(LEVELS, LEVELS)
    counts = sum(all_gather_object(counts))
    reached = counts[:num_classes, ::-1].cumsum(axis=1)  # by levels from the surest on
    is_enough = reached >= share * reached[:, -1:]
    return LEVELS - 1 - is_enough.argmax(axis=1)


def keep_share(
    sources: Sequence[Source],
    out: Path,
    folder: Path,
    reader: ImageReader,
    num_classes: int,
    share: float,
    colors: NDArray[np.uint8],
    num_overlays: int,
) -> None:
    """Write this process's part of the final labels, and of the overlays of the first images.

    Args:
        sources: The images of all processes.
        out: Where to write.
        folder, num_classes, share: See ``limits_of_share``.
        reader: Of the images.
        colors: Table of ``color_table``.
        num_overlays: How many of the first images to draw.
    """
    limits = np.full(LEVELS, LEVELS)
    limits[:num_classes] = limits_of_share(sources, folder, num_classes, share)
    for index, source in own_share(sources):
        label, level = candidate(source, folder)
        label[level < limits[label]] = IGNORED
        if index < num_overlays:
            drawn = draw_overlay(to_display(reader.read(source.path)['img']), label, colors)
            write_png(out / 'overlays' / f'{source.name}.png', drawn)
        record = read_record(folder / 'labels' / f'{source.name}.png')
        kept = np.bincount(label.ravel(), minlength=LEVELS)[:num_classes].tolist()
        made = PseudoLabel(label, level / (LEVELS - 1), record['predicted'], kept)
        write_label(out / 'labels' / f'{source.name}.png', made, record['image'])
