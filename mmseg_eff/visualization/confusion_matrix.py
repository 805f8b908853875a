"""Write a confusion matrix as JSON and as a picture, with the names of the classes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..utils.atomic_io import replacing

OTHER = 'other outputs'
MOST_WITH_NUMBERS = 40  # classes; more make the numbers unreadable
MOST_NAMES = 80  # of an axis; of more classes, every second is named, or every third …


def write_confusion_matrix(matrix: Tensor, classes: Sequence[str], folder: Path) -> None:
    """Write ``confusion_matrix.json`` and ``confusion_matrix.png``.

    Args:
        matrix: ``matrix`` (C + 1, C + 1) of the metric ``ConfusionMatrix``. Ignored pixels are left
            out, and the outputs beyond the classes where none was predicted.
        classes: Names of the C classes.
        folder: Where to write.
    """
    counts = matrix[:-1].numpy()
    columns = [*classes, OTHER]
    if not counts[:, -1].any():
        counts, columns = counts[:, :-1], columns[:-1]
    totals = counts.sum(1, keepdims=True)
    shares = counts / np.where(totals, totals, np.nan)  # of a class that is absent: NaN
    report = dict(
        rows='ground truth',
        columns='prediction',
        classes=list(classes),
        predictions=columns,
        pixels=counts.tolist(),
        normalised=[None if np.isnan(row).any() else row.round(6).tolist() for row in shares],
    )
    with replacing(folder / 'confusion_matrix.json') as temporary:
        temporary.write_text(rows_of_json(report))
    draw(100 * shares, classes, columns, folder / 'confusion_matrix.png')


def rows_of_json(report: Mapping[str, Any]) -> str:
    """JSON with one line for each item of a list, so that a matrix has a line for each row."""
    parts = []
    for key, value in report.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = '[\n  ' + ',\n  '.join(map(json.dumps, value)) + '\n ]'
        parts.append(f' {json.dumps(key)}: {text}')
    return '{\n' + ',\n'.join(parts) + '\n}\n'


def draw(
    percent: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], path: Path
) -> None:
    """Draw the percentages (rows, columns) of each row's class; absent classes stay blank.

    The size of the picture and the number of names are bounded.
    """
    from matplotlib.figure import Figure

    side = 3 + 0.4 * min(len(rows), MOST_NAMES)  # inches
    figure = Figure(figsize=(side + 1, side), dpi=110, layout='constrained')
    axes = figure.subplots()
    image = axes.imshow(percent, cmap='Blues', vmin=0, vmax=100)
    figure.colorbar(image, label='% of the pixels of the class', shrink=0.8)
    small = 'small' if len(rows) <= MOST_WITH_NUMBERS else 4
    step = -(-len(rows) // MOST_NAMES)
    places = range(0, len(columns), step)
    axes.set_xticks(places, columns[::step], rotation=90, fontsize=small)
    axes.set_yticks(range(0, len(rows), step), rows[::step], fontsize=small)
    axes.set(xlabel='prediction', ylabel='ground truth')
    if len(rows) <= MOST_WITH_NUMBERS:
        for (row, column), value in np.ndenumerate(percent):
            if np.isfinite(value):
                color = 'white' if value > 50 else 'black'
                axes.text(
                    column,
                    row,
                    f'{value:.0f}',
                    ha='center',
                    va='center',
                    fontsize='x-small',
                    color=color,
                )
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png')
