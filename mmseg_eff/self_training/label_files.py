"""What a label's PNG notes of itself, and the report made of all of them.

So the counts are exact after a run that was stopped, and with several processes.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rich.table import Table

from ..utils.atomic_io import replacing
from ..utils.printing import console
from .teacher import PseudoLabel

RECORD = 'pseudo-label'  # key of the text in the PNG
NOTED = {'image', 'pixels', 'predicted', 'kept'}


def read_record(path: Path) -> dict | None:
    """What ``write_label`` noted in a label's PNG; ``None`` if there is no such file."""
    try:
        with Image.open(path) as image:
            record = json.loads(image.info.get(RECORD, 'null'))
    except Exception:  # missing or damaged, of which Pillow raises errors of any type
        return None
    return record if isinstance(record, dict) and record.keys() >= NOTED else None


def write_label(path: Path, made: PseudoLabel, digest: str) -> None:
    """Write a label and, in the same file, what a report needs of it.

    Args:
        path: The PNG.
        made: The label and its counts.
        digest: SHA-256 of the image file.
    """
    record = dict(image=digest, pixels=made.label.size, predicted=made.predicted, kept=made.kept)
    text = PngInfo()
    text.add_text(RECORD, json.dumps(record))
    with replacing(path) as temporary:
        Image.fromarray(made.label).save(temporary, 'PNG', pnginfo=text)


def summarise(records: Sequence[dict], classes: Sequence[str]) -> dict:
    """Exact counts and shares of all images.

    Args:
        records: What is noted in each label.
        classes: Names of the classes.

    Returns:
        ``images``, ``pixels``, ``kept`` (the share of all pixels that has a label) and, in
        ``classes``, of each class the pixels predicted, the pixels kept, ``kept`` (the share of
        those predicted) and ``share`` (those kept, of all pixels). Shares of nothing are ``None``.
    """
    counts = np.zeros((2, len(classes)), np.int64)
    for record in records:
        counts += [record['predicted'], record['kept']]
    pixels = sum(record['pixels'] for record in records)
    rows = [
        dict(
            name=name,
            predicted_pixels=predicted,
            kept_pixels=kept,
            kept=share(kept, predicted),
            share=share(kept, pixels),
        )
        for name, predicted, kept in zip(classes, *counts.tolist(), strict=True)
    ]
    kept = share(int(counts[1].sum()), pixels)
    return dict(images=len(records), pixels=pixels, kept=kept, classes=rows)


def share(part: int, whole: int) -> float | None:
    """``part / whole``; ``None`` of nothing."""
    return part / whole if whole else None


def print_summary(summary: dict) -> None:
    """Print a table of ``summarise``'s shares in percent."""

    def percent(value: float | None) -> str:
        return '–' if value is None else f'{100 * value:.2f} %'

    table = Table('class', 'predicted pixels', 'of them kept', 'kept of all pixels')
    for row in summary['classes']:
        shares = percent(row['kept']), percent(row['share'])
        table.add_row(row['name'], str(row['predicted_pixels']), *shares)
    console().print(table)
    print(f'{summary["images"]} images, {percent(summary["kept"])} of their pixels kept')
