"""Decode uploads and label them, in a worker process: each fault is of its own upload alone."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from ..datasets.image_reader import Loaded
from ..deploy.segmentor import ExportedSegmentor
from ..errors import InputError
from ..utils.image_io import Label
from ..utils.user_errors import one_line
from .uploads import Refused, Upload

NAME = 'image'  # what errors call an upload: a client's file name is never used
logger = logging.getLogger(__name__)


@dataclass
class Item:
    """An upload on its way: loaded and labelled, or refused.

    Attributes:
        answer: Name of the answer wanted.
        image: As the reader has loaded it.
        labels: Labels (H, W).
        refused: Why there are none.
    """

    answer: str
    image: Loaded | None = None
    labels: Label | None = None
    refused: Refused | None = None


def load_upload(segmentor: ExportedSegmentor, upload: Upload) -> Item:
    """Decode an upload as ``mmseg_eff.predict`` reads a file."""
    item = Item(upload.answer)
    try:
        item.image = segmentor.reader.read_content(upload.content, NAME)
    except Exception as error:
        item.refused = refusal(error)
    return item


def label_items(segmentor: ExportedSegmentor, items: Sequence[Item]) -> None:
    """Label what could be loaded; images of one size run together."""
    by_shape: dict[tuple, list[Item]] = {}
    for item in items:
        if item.image is not None:
            by_shape.setdefault(item.image['img'].shape, []).append(item)
    for alike in by_shape.values():
        try:
            label_alike(segmentor, alike)
        except Exception as error:
            for item in alike:
                if len(alike) > 1:
                    label_items(segmentor, [item])
                else:
                    item.refused = refusal(error)


def label_alike(segmentor: ExportedSegmentor, items: Sequence[Item]) -> None:
    """Label images of one size."""
    images = [item.image for item in items if item.image is not None]
    for item, labels in zip(items, segmentor.segment_batch(images), strict=True):
        item.labels = labels


def refusal(error: Exception) -> Refused:
    """The answer to an image that failed: 400 where it is the image's fault, else 500.

    An engine's error names files of this machine, which are for the log.
    """
    is_engines = error.__cause__ is not None and error.__cause__.__cause__ is not None
    if isinstance(error, InputError) and not is_engines:
        return Refused(400, one_line(error))
    logger.error('an image could not be labelled: %s', one_line(error))
    if isinstance(error, MemoryError):
        return Refused(413, f'{NAME}: does not fit into memory')
    return Refused(500, f'{NAME}: the network failed on it; the log of the server says more')
