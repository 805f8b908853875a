"""Draw mIoU over time, each network's name beside its point."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..utils.atomic_io import replacing
from ..utils.names import PRECISIONS
from .report import Figures
from .stages import TORCH
from .titles import title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

SIZE, DPI = (7, 6.4), 200  # 1400 pixels wide, and legible at 400
COLORS = {  # beginning of a title -> colour, which colour-blind eyes tell apart (Okabe and Ito)
    'ESPNetv2': '#009e73',
    'ESPNet': '#0072b2',
    'ESeg-Lite': '#a87900',
    'ESeg': '#d55e00',
    'DeepLabv3+': '#a3478f',
}
OTHERS = '#555555'
ENGINES = {
    'onnx': 'ONNX Runtime',
    'openvino': 'OpenVINO',
    'tensorrt': 'TensorRT',
}
FONT_SIZE = 11  # of the names
TICKS = (1, 2, 5)  # and their multiples by powers of ten
AROUND = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
DISTANCES = (8, 14, 22, 34, 50)  # of a name from its point, in points (1/72 inch)
NEAR = 14  # up to here no line leads from the name to its point


@dataclass(frozen=True)
class Network:
    """What the picture shows of a network: its torch and exported figures, joined by a line.

    Attributes:
        title: Its name for people.
        miou: mIoU in percent.
        times: ms of an image, median and 95th percentile, by engine.
    """

    title: str
    miou: float
    times: dict[str, tuple[float, float]]

    @property
    def color(self) -> str:
        """That of its family."""
        return next((COLORS[word] for word in COLORS if self.title.startswith(word)), OTHERS)


def name_of(engine: str) -> str:
    """Name for people of an engine, with its precision if that is below f32."""
    for precision in PRECISIONS:
        backend = engine.removesuffix(f'-{precision}')
        if backend != engine:
            return f'{ENGINES.get(backend, backend)}, {precision}'
    return ENGINES.get(engine, engine)


def networks_of(figures: Sequence[Figures]) -> list[Network]:
    """The networks that have a mIoU; a folder ``NAME_BACKEND`` joins the config ``NAME…``.

    Where two rows of one engine would get one title, their own names stay.
    """
    rated = [(row, row.miou) for row in figures if row.miou is not None]
    rows = [row for row, _ in rated]
    titles = [title_of(row.name.removesuffix(f'_{row.engine}')) for row in rows]
    seen = [(title, row.engine) for title, row in zip(titles, rows, strict=True)]
    networks: dict[tuple[str, float], Network] = {}
    for (row, miou), title, key in zip(rated, titles, seen, strict=True):
        if seen.count(key) > 1:
            title = row.name
        median, high = row.milliseconds()['all']
        network = networks.setdefault((title, miou), Network(title, miou, {}))
        network.times[row.engine] = (float(median), float(high))
    return [*networks.values()]


def plot(path: Path, figures: Sequence[Figures]) -> None:
    """Draw mIoU over the time of an image as a PNG; without those of no mIoU.

    A circle is a network in torch, a diamond an exported one; a pale bar runs from the median to
    the 95th percentile.
    """
    from matplotlib.figure import Figure  # without pyplot, which would choose a window system
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=SIZE, dpi=DPI, layout='constrained')
    axes = figure.subplots()
    networks = networks_of(figures)
    for network in networks:
        draw_network(axes, network)
    axes.set_xscale('log')
    axes.xaxis.set_major_locator(LogLocator(subs=TICKS))
    axes.xaxis.set_major_formatter(lambda ms, _: duration(ms))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.12, y=0.08)
    axes.tick_params(labelsize=FONT_SIZE)
    axes.set_ylabel('mIoU [%]', fontsize=FONT_SIZE)
    words = f'time from image file to label file, {figures[0].conditions.threads} threads'
    axes.set_xlabel(words, fontsize=FONT_SIZE)
    engines = sorted({engine for network in networks for engine in network.times} - {TORCH})
    if engines:
        names = ', '.join(map(name_of, engines))
        marks = f'● in torch    ◆ exported ({names})'
        axes.set_title(marks, loc='left', fontsize=FONT_SIZE, color=OTHERS)
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(alpha=0.25)
    figure.draw_without_rendering()
    place_names(axes, networks)
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png')


def draw_network(axes: 'Axes', network: Network) -> None:
    """Draw the points of a network and the line between them."""
    color, miou = network.color, network.miou
    medians = [median for median, _ in network.times.values()]
    axes.plot(medians, [miou] * len(medians), color=color, linewidth=1, alpha=0.6, zorder=2)
    for engine, (median, high) in network.times.items():
        axes.plot([median, high], [miou] * 2, color=color, linewidth=5, alpha=0.2, zorder=1)
        marker = 'o' if engine == TORCH else 'D'
        axes.plot(median, miou, marker, color=color, markersize=7 if marker == 'o' else 6, zorder=3)


def place_names(axes: 'Axes', networks: Sequence[Network]) -> None:
    """Write each network's name where it covers no point, line or other name.

    A name stands beside one of its network's points; the farther ones have a thin line to it. Where
    no place is free, the one that covers least is taken.
    """
    taken = [box for network in networks for box in boxes_of(axes, network)]
    for network in sorted(networks, key=lambda network: -network.miou):
        best, least = None, math.inf
        for place in places_of(network):
            box = place.box(axes)
            cost = area(box) - overlap(box, axes.bbox) + sum(overlap(box, other) for other in taken)
            if cost < least:
                best, least = place, cost
            if not cost:
                break
        assert best  # there is a place
        taken.append(best.box(axes))
        best.write(axes)


@dataclass(frozen=True)
class Place:
    """Where a network's name may stand.

    Attributes:
        network: The network.
        ms: Time of the point, or the end of the bar, that the name stands beside.
        right, up: On which side of it: -1, 0 or 1.
        distance: From it, in points (1/72 inch).
    """

    network: Network
    ms: float
    right: int
    up: int
    distance: int

    def box(self, axes: 'Axes') -> 'Bbox':
        """What the name covers, in pixels."""
        from matplotlib.transforms import Bbox

        width, height = text_size(self.network.title)
        x, y = axes.transData.transform((self.ms, self.network.miou))
        x += self.distance * self.right * DPI / 72 + (self.right - 1) * width / 2
        y += self.distance * self.up * DPI / 72 + (self.up - 1) * height / 2
        return Bbox.from_bounds(x, y, width, height)

    def write(self, axes: 'Axes') -> None:
        """Write the name there."""
        color = self.network.color
        line = dict(arrowstyle='-', color=color, alpha=0.5, linewidth=0.8, shrinkA=0, shrinkB=4)
        axes.annotate(
            self.network.title,
            (self.ms, self.network.miou),
            (self.distance * self.right, self.distance * self.up),
            textcoords='offset points',
            horizontalalignment=('center', 'left', 'right')[self.right],
            verticalalignment=('center', 'bottom', 'top')[self.up],
            arrowprops=line if self.distance > NEAR else None,
            color=color,
            fontsize=FONT_SIZE,
        )


def places_of(network: Network) -> Iterator[Place]:
    """All places for a network's name, the best first."""
    points = sorted(median for median, _ in network.times.values())
    last = max(high for _, high in network.times.values())
    for distance, (right, up) in product(DISTANCES, AROUND):
        for ms in points if right <= 0 else (last, points[0]):
            yield Place(network, ms, right, up, distance)


@cache
def text_size(text: str) -> tuple[float, float]:
    """Width and height of a name in pixels."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), text, prop=FontProperties(size=FONT_SIZE))  # in points
    return float(path.get_extents().width) * DPI / 72 + 2, 1.3 * FONT_SIZE * DPI / 72


def boxes_of(axes: 'Axes', network: Network) -> 'Iterator[Bbox]':
    """What the points, the bars and the line of a network cover, in pixels."""
    from matplotlib.transforms import Bbox

    medians = [median for median, _ in network.times.values()]
    ends = axes.transData.transform([(ms, network.miou) for ms in medians])
    half = 5 * DPI / 72  # of a marker
    for x, y in ends:
        yield Bbox([(x - half, y - half), (x + half, y + half)])
    last = max(high for _, high in network.times.values())
    right, y = axes.transData.transform((last, network.miou))
    yield Bbox([(ends[:, 0].min(), y - half / 2), (right, y + half / 2)])


def overlap(box: 'Bbox', other: 'Bbox') -> float:
    """Square pixels that two boxes share."""
    width = min(box.x1, other.x1) - max(box.x0, other.x0)
    height = min(box.y1, other.y1) - max(box.y0, other.y0)
    return float(max(width, 0) * max(height, 0))


def area(box: 'Bbox') -> float:
    """Square pixels of a box."""
    return float(np.prod(box.size))


def duration(ms: float) -> str:
    """Milliseconds below a second, seconds from there."""
    return f'{ms:g} ms' if ms < 1000 else f'{ms / 1000:g} s'
