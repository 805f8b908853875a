"""What a check of a dataset found: values, report.json and contact_sheet.png."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..datasets.image_reader import ImageReader, to_display
from ..datasets.label_rules import LabelRules
from ..utils.atomic_io import replacing
from ..visualization.contact_sheet import contact_sheet
from ..visualization.overlay import color_table, draw_overlay
from .findings import Finding, Pair

CONVERTED = {  # kind of a finding -> format that reads such labels
    'label format': 'auto',  # colours, 16 bits, or JPEG
    'palette': 'colors',
    '255 as class': 'values',
    'label value': 'values',
}
NUM_ROWS = 8  # of the contact sheet
TILE_WIDTH = 480  # pixels


@dataclass(frozen=True)
class ClassFrequency:
    """How often a class occurs in a split.

    Attributes:
        name: Name of the class.
        pixels: Number of its pixels.
        share: Its share of all pixels that are not ignored, 0 to 1.
        images: Number of images in which it occurs.
        weights: Suggested class weight by method; the keys are those of ``class_weights``.
    """

    name: str
    pixels: int
    share: float
    images: int
    weights: dict[str, float]


@dataclass(frozen=True)
class SplitSummary:
    """A split that was checked.

    Attributes:
        pairs: Number of pairs of an image and a label.
        classes: Frequency of each class, in the order of the labels; empty without any labels.
    """

    pairs: int
    classes: list[ClassFrequency]


@dataclass(frozen=True)
class DatasetReport:
    """Result of ``check_dataset``.

    Attributes:
        findings: What is wrong or worth knowing, each with the path of its file.
        splits: What was checked, by the name of the split.
        seconds: Time that reading all pairs took.
    """

    findings: list[Finding]
    splits: dict[str, SplitSummary]
    seconds: float

    @property
    def errors(self) -> list[Finding]:
        """Findings that would stop or spoil a training."""
        return [finding for finding in self.findings if finding.is_error]

    @property
    def notes(self) -> list[Finding]:
        """Findings that harm no training."""
        return [finding for finding in self.findings if not finding.is_error]

    @property
    def conversions(self) -> list[str]:
        """Commands that make labels of class indices from those that are none, one a folder."""
        formats: dict[Path, str] = {}
        for finding in self.findings:
            if finding.kind in CONVERTED:
                path = Path(finding.path)
                folder = path.parent if path.suffix else path
                formats.setdefault(folder, CONVERTED[finding.kind])
        return [
            f'mmseg-eff convert_labels {format} {shlex.quote(str(folder))} OUT'
            for folder, format in formats.items()
        ]


def write_report(path: Path, report: DatasetReport) -> None:
    """Write all findings and the frequencies of the classes as JSON."""
    findings = [
        dict(
            path=finding.path,
            kind=finding.kind,
            severity='error' if finding.is_error else 'note',
            message=finding.message,
        )
        for finding in report.findings
    ]
    splits = {
        name: dict(pairs=split.pairs, classes=[record_of(row) for row in split.classes])
        for name, split in report.splits.items()
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(dict(findings=findings, splits=splits), indent=1) + '\n')


def record_of(row: ClassFrequency) -> dict[str, object]:
    """A class's frequency as report.json holds it."""
    return {
        'class': row.name,
        'pixels': row.pixels,
        'share': row.share,
        'images': row.images,
        'weights': row.weights,
    }


def draw_pairs(
    pairs: Sequence[Pair], reader: ImageReader, rules: LabelRules, classes: Sequence[str]
) -> NDArray[np.uint8]:
    """Contact sheet (H, W, 3) of some labelled pairs, evenly spaced: image, label, overlay.

    Args:
        pairs: Pairs without errors.
        reader: Reads their images.
        rules: Of their labels.
        classes: Names of the classes, for the legend.
    """
    colors, rows = color_table(rules.palette), []
    colors[rules.ignore_index] = 0
    for image_path, label_path in pairs[:: -(-len(pairs) // NUM_ROWS)]:
        assert label_path is not None
        image = to_display(reader.read(image_path)['img'])
        with Image.open(label_path) as file:
            label = rules.table[np.asarray(file, np.uint8)]
        rows.append((image, label, draw_overlay(image, label, colors)))
    titles = ('image', 'label (black: ignored)', 'both')
    scale = TILE_WIDTH / rows[0][0].shape[1]
    return contact_sheet(rows, colors, classes, titles, scale)
