"""Write pseudo labels, confidences and overlays; read and sum up what each label records.

The PNG of a label records its own counts. So the summary is exact after a run that was stopped and
with several processes.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..datasets.image_reader import ImageReader, Loaded, to_display
from ..errors import InputError
from ..inference.inputs import Source
from ..utils.atomic_io import replacing
from ..utils.image_io import write_png
from ..visualization.overlay import draw_overlay
from .teacher import PseudoLabel

RECORD = 'pseudo-label'  # key of the text in the PNG

Digits = Callable[[NDArray[np.float32]], NDArray[Any]]  # confidences -> 8 or 16 bits


@dataclass(frozen=True)
class LabelRecord:
    """What the PNG of a label records.

    Attributes:
        image: SHA-256 of the image file.
        pixels: Number of pixels.
        predicted: Pixels of each class (C,), sure or not.
        kept: Pixels of each class (C,) that keep their label.
    """

    image: str
    pixels: int
    predicted: list[int]
    kept: list[int]


@dataclass(frozen=True)
class ClassSummary:
    """The pseudo labels of one class in all images.

    Attributes:
        name: Name of the class.
        predicted_pixels: Pixels predicted as this class.
        kept_pixels: Those of them that keep the label.
        kept: ``kept_pixels / predicted_pixels``; ``None`` if nothing was predicted.
        share: ``kept_pixels`` as a share of all pixels; ``None`` without images.
    """

    name: str
    predicted_pixels: int
    kept_pixels: int
    kept: float | None
    share: float | None


@dataclass(frozen=True)
class LabelSummary:
    """The pseudo labels of all images.

    Attributes:
        images: Number of images with labels.
        pixels: Number of their pixels.
        kept: Share of all pixels that has a label; ``None`` without images.
        classes: The summary of each class.
    """

    images: int
    pixels: int
    kept: float | None
    classes: list[ClassSummary]


@dataclass(frozen=True, eq=False)
class LabelWriter:
    """Writes the label of an image, and its confidence and overlay if wanted.

    Attributes:
        folder: Output folder.
        reader: Reads the images to draw on.
        colors: Table of ``color_table``.
        num_overlays: How many of the first images to draw.
        digits: Converts confidences to the numbers to write; ``None`` to write none.
    """

    folder: Path
    reader: ImageReader
    colors: NDArray[np.uint8]
    num_overlays: int = 0
    digits: Digits | None = None

    def label_path(self, source: Source) -> Path:
        """The label file of an image."""
        return self.folder / 'labels' / f'{source.name}.png'

    def write(
        self,
        index: int,
        source: Source,
        made: PseudoLabel,
        digest: str,
        image: Loaded | None = None,
    ) -> None:
        """Write all files of an image, the label last: it marks the image as done.

        Args:
            index: Index of the image among those of all processes.
            source: The image.
            made: Its pseudo label.
            digest: SHA-256 of the image file.
            image: The image as ``reader`` loads it; loaded here if needed.
        """
        if self.digits:
            confidence = self.digits(made.confidence)
            write_png(self.folder / 'confidence' / f'{source.name}.png', confidence)
        if index < self.num_overlays:
            image = image or self.reader.read(source.path)
            drawn = draw_overlay(to_display(image['img']), made.label, self.colors)
            write_png(self.folder / 'overlays' / f'{source.name}.png', drawn)
        write_label(self.label_path(source), made, digest)


def write_label(path: Path, made: PseudoLabel, digest: str) -> None:
    """Write a label with its ``LabelRecord``.

    Args:
        path: The PNG.
        made: The label and its counts.
        digest: SHA-256 of the image file.
    """
    record = LabelRecord(digest, made.label.size, made.predicted, made.kept)
    text = PngInfo()
    text.add_text(RECORD, json.dumps(asdict(record)))
    with replacing(path) as temporary:
        Image.fromarray(made.label).save(temporary, 'PNG', pnginfo=text)


def read_record(path: Path) -> LabelRecord | None:
    """The record in a label's PNG; ``None`` if there is no such file or record."""
    try:
        with Image.open(path) as image:
            record = json.loads(image.info.get(RECORD, 'null'))
    except Exception:  # missing or damaged, of which Pillow raises errors of any type
        return None
    names = [field.name for field in fields(LabelRecord)]
    if not isinstance(record, dict) or not record.keys() >= set(names):
        return None
    return LabelRecord(**{name: record[name] for name in names})


def record_of(path: Path) -> LabelRecord:
    """``read_record`` of a label that this run has written or found.

    Raises:
        InputError: If it is gone or damaged since.
    """
    record = read_record(path)
    if record is None:
        raise InputError(f'{path}: was removed or damaged during the run; start it again')
    return record


def summarise_labels(records: Iterable[LabelRecord], classes: Sequence[str]) -> LabelSummary:
    """Exact counts and shares of all images.

    Args:
        records: The record of each label, of which one at a time is kept.
        classes: Names of the classes.
    """
    counts = np.zeros((2, len(classes)), np.int64)
    images = pixels = 0
    for record in records:
        counts += [record.predicted, record.kept]
        images += 1
        pixels += record.pixels
    rows = [
        ClassSummary(name, predicted, kept, share(kept, predicted), share(kept, pixels))
        for name, predicted, kept in zip(classes, *counts.tolist(), strict=True)
    ]
    return LabelSummary(images, pixels, share(int(counts[1].sum()), pixels), rows)


def share(part: int, whole: int) -> float | None:
    """``part / whole``; ``None`` if ``whole`` is 0."""
    return part / whole if whole else None
