"""Exponents of what ``scaling.py`` has measured, and the table of them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

FLAT = 5  # MB that a series must grow by to have an exponent of memory


def exponent(points: Sequence[float], values: Sequence[float]) -> float:
    """Slope of the logarithms, least squares over the upper half of the axis.

    That is the points from the geometric mean of the first and the last on, two at least: below,
    what is the same for every point hides what grows.
    """
    middle = math.sqrt(points[0] * points[-1])
    first = min(sum(point < middle for point in points), len(points) - 2)
    slope, _ = np.polyfit(np.log(points[first:]), np.log(values[first:]), 1)
    return float(slope)


def exponents(points: Sequence[float], rows: Sequence[dict]) -> dict[str, float | None]:
    """``exponent`` of time and of memory; ``None`` for memory that does not grow."""
    found: dict[str, float | None] = {'seconds': None, 'megabytes': None}
    if len(rows) > 2:
        found['seconds'] = exponent(points, [row['seconds'] for row in rows])
        memory = [max(row['megabytes'], 0.1) for row in rows]
        if max(memory) - memory[0] >= FLAT:
            found['megabytes'] = exponent(points, memory)
    return found


def table(results: Mapping[str, dict]) -> str:
    """First and last figures and the exponents of all series, in Markdown."""
    lines = [
        '| grows | series | from – to | seconds | exponent | MB | exponent |',
        '|---|---|--:|--:|--:|--:|--:|',
    ]
    for axis, of_axis in results.items():
        for name, rows in of_axis.items():
            points = [row['point'] for row in rows]
            slopes = exponents(points, rows)
            time, memory = ('–' if s is None else f'{s:.2f}' for s in slopes.values())
            first, last = rows[0], rows[-1]
            lines.append(
                f'| {axis} | {name} | {points[0]:g} – {points[-1]:g} '
                f'| {first["seconds"]:.3g} – {last["seconds"]:.3g} | {time} '
                f'| {first["megabytes"]:.0f} – {last["megabytes"]:.0f} | {memory} |'
            )
    return '\n'.join(lines) + '\n'
