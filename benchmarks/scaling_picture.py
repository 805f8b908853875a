"""Draw time and memory over what grows, both axes logarithmic, names at the ends of the lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from mmseg_eff.benchmarking.picture import DPI, OTHERS
from mmseg_eff.utils.atomic_io import replacing

SIZE = (8, 10)  # inches; the text is still read where the picture is 400 pixels wide
COLORS = (
    '#0072b2', '#009e73', '#d55e00', '#a3478f', '#a87900', '#56b4e9', '#444444', '#7a5195',
    '#c44e52',
)  # fmt: skip
MARKS = 'osD^vPX<>'
FONT = 12
LEAST = {'seconds': 1e-6, 'megabytes': 1.0}  # below, a figure is noise
PANELS = {'seconds': 'time', 'megabytes': 'memory beyond the prepared work'}

Series = Mapping[str, tuple[Sequence[dict], Mapping[str, float | None]]]


def draw(path: Path, label: str, title: str, series: Series) -> None:
    """Write the picture of an axis.

    Args:
        path: The PNG.
        label: What grows.
        title: What is measured.
        series: By name: its figures, each with ``point``, and its exponents.
    """
    figure = Figure(figsize=SIZE, dpi=DPI, layout='constrained')
    figure.suptitle(f'{title}; name and exponent', fontsize=FONT, color=OTHERS)
    for axes, (key, name) in zip(figure.subplots(2), PANELS.items(), strict=True):
        draw_panel(axes, key, series)
        axes.set_ylabel(name, fontsize=FONT)
        axes.set_xlabel(label, fontsize=FONT)
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png')


def draw_panel(axes: Axes, key: str, series: Series) -> None:
    """Draw one figure of all series, with a dotted line of exponent 1."""
    axes.set_xscale('log')
    axes.set_yscale('log')
    ends = []
    for index, (name, (rows, slopes)) in enumerate(series.items()):
        points = [row['point'] for row in rows]
        values = [max(row[key], LEAST[key]) for row in rows]
        color, mark = COLORS[index % len(COLORS)], MARKS[index % len(MARKS)]
        axes.plot(points, values, f'{mark}-', color=color, linewidth=1.5, markersize=5)
        slope = slopes[key]
        text = f'{name} {"const." if slope is None else f"{slope:.2f}"}'
        ends.append((points[-1], values[-1], text, color))
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    middle = (bottom * top) ** 0.5, (low * high) ** 0.5
    guide = [middle[0] * point / middle[1] for point in (low, high)]
    axes.plot([low, high], guide, ':', color='#999999', zorder=0, linewidth=1.5)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=FONT)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(lambda value, _: f'{value:g}')
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(time_text if key == 'seconds' else memory_text)
    axes.yaxis.set_minor_formatter(NullFormatter())
    write_names(axes, ends)


def write_names(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names to the right of the panel, in the order of the ends, one below the other."""
    step = 1.5 * FONT / 72 / (SIZE[1] / 2 - 1)  # of the height of a panel
    to_axes = axes.transAxes.inverted()
    placed = sorted(
        (to_axes.transform(axes.transData.transform((x, y)))[1], x, y, text, color)
        for x, y, text, color in ends
    )
    heights = spread([height for height, *_ in placed], step)
    for height, (_, x, y, text, color) in zip(heights, placed, strict=True):
        axes.annotate(
            text,
            (x, y),
            (1.03, height),
            textcoords='axes fraction',
            va='center',
            color=color,
            fontsize=FONT,
            arrowprops=dict(arrowstyle='-', color=color, alpha=0.4, linewidth=0.8, shrinkB=4),
            annotation_clip=False,
        )


def spread(heights: Sequence[float], step: float) -> list[float]:
    """Ascending heights moved so that neighbours are a step apart and the last is at most 1."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + step) if moved else height)
    limit = 1.0
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - step
    return moved


def time_text(seconds: float, _: object) -> str:
    """A time from microseconds to seconds."""
    if seconds >= 1:
        return f'{seconds:g} s'
    return f'{1e3 * seconds:g} ms' if seconds >= 1e-3 else f'{1e6 * seconds:g} µs'


def memory_text(megabytes: float, _: object) -> str:
    """Megabytes, or gigabytes from 1000 on."""
    return f'{megabytes / 1e3:g} GB' if megabytes >= 1e3 else f'{megabytes:g} MB'
