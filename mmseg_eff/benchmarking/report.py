"""A benchmark's figures as a table, a JSON file and a picture."""

import json
import os
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from ..utils.atomic_io import replacing
from ..utils.printing import console
from .stages import STAGES

matplotlib.use('Agg')
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter

PERCENTILES = (50, 95)
HEADER = ('network', 'input', 'parameters M', 'MACs G', 'memory MB', *STAGES, 'all', 'mIoU')
UNKNOWN = '–'
MARKERS = 'osDv^<>PX*'


class Figures(NamedTuple):
    """What was measured of a network; what an exported folder does not tell is ``None``.

    Attributes:
        name: Its name.
        input_shape: H and W of the network's input.
        parameters: Parameters without auxiliary heads.
        macs: Multiply-adds up to the logits at that size.
        memory: Peak of the resident memory beyond the libraries, in MB.
        miou: mIoU in percent, as given or published.
        laps: Seconds of each stage, for each run.
    """

    name: str
    input_shape: tuple[int, int] | None
    parameters: int | None
    macs: int | None
    memory: float
    miou: float | None
    laps: list[dict[str, float]]

    def milliseconds(self) -> dict[str, NDArray[np.float64]]:
        """Median and 95th percentile of each stage, and of ``all`` together."""
        runs = [{**lap, 'all': sum(lap.values())} for lap in self.laps]
        return {
            stage: 1000 * np.percentile([run[stage] for run in runs], PERCENTILES)
            for stage in (*STAGES, 'all')
        }


def cells(figures: Figures) -> list[str]:
    """A row under ``HEADER``; times as median / 95th percentile in ms."""
    name, shape, parameters, macs, memory, miou, _ = figures
    times = [f'{median:.1f} / {high:.1f}' for median, high in figures.milliseconds().values()]
    return [
        name,
        f'{shape[0]}x{shape[1]}' if shape else UNKNOWN,
        UNKNOWN if parameters is None else f'{parameters / 1e6:.3f}',
        UNKNOWN if macs is None else f'{macs / 1e9:.2f}',
        f'{memory:.0f}',
        *times,
        UNKNOWN if miou is None else f'{miou:.2f}',
    ]


def print_table(figures: Sequence[Figures], use_markdown: bool) -> None:
    """Print all figures; times are medians and 95th percentiles in ms."""
    print('times in ms: median / 95th percentile')
    rows = [cells(row) for row in figures]
    if use_markdown:
        print(f'| {" | ".join(HEADER)} |\n|---|---|{"--:|" * (len(HEADER) - 2)}')
        for row in rows:
            print(f'| {" | ".join(row)} |')
        return
    table = Table(*HEADER)
    for row in rows:
        table.add_row(*row)
    console(width=200).print(table)


def write_json(path: Path, figures: Sequence[Figures], threads: int) -> None:
    """Write every measured second, and what it was measured with."""
    report = dict(
        torch=torch.__version__,
        processors=os.cpu_count(),
        threads=threads,
        load_average=os.getloadavg()[0],
        networks=[row._asdict() for row in figures],
    )
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(report, indent=1) + '\n')


def plot(path: Path, figures: Sequence[Figures], threads: int) -> None:
    """Draw mIoU over the time of an image, median to 95th percentile; without those of no mIoU."""
    figure, axes = plt.subplots(figsize=(7, 6), dpi=110, layout='constrained')
    markers = cycle(MARKERS)
    for row in figures:
        if row.miou is None:
            continue
        median, high = row.milliseconds()['all']
        bar = dict(xerr=[[0], [high - median]], fmt=next(markers), capsize=3, label=row.name)
        axes.errorbar(median, row.miou, **bar)
    axes.set(
        xscale='log',
        xlabel=f'ms from image file to label file, {threads} threads (median to 95th percentile)',
        ylabel='mIoU [%]',
    )
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter('{x:.0f}')
    axes.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc='outside lower center', fontsize='small')
    axes.grid(alpha=0.3, which='both')
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png')
    plt.close(figure)
