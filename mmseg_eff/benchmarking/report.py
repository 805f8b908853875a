"""A benchmark's figures as a table and a JSON file."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError
from ..utils.atomic_io import replacing
from .stages import STAGES
from .timing import Conditions

PERCENTILES = (50, 95)
TIMES = (*STAGES, 'all', 'fastest')
HEADER = ('network', 'input', 'parameters M', 'MACs G', 'memory MB', *TIMES, 'mIoU')
UNKNOWN = '–'


@dataclass(frozen=True)
class Figures:
    """What was measured of a network; what an exported folder does not tell is ``None``.

    Attributes:
        name: Its name.
        engine: What runs it: ``'torch'``, or the backend of its export.
        input_shape: H and W of the network's input.
        parameters: Parameters without auxiliary heads.
        macs: Multiply-adds up to the logits at that size.
        memory: Peak of the resident memory beyond the libraries, in MB.
        miou: mIoU in percent, as given or published.
        laps: Seconds of each stage, for each run.
        conditions: Threads, repeats and the machine's load, equal for all networks of a run.
    """

    name: str
    engine: str
    input_shape: tuple[int, int] | None
    parameters: int | None
    macs: int | None
    memory: float
    miou: float | None
    laps: list[dict[str, float]]
    conditions: Conditions

    def milliseconds(self) -> dict[str, NDArray[np.float64]]:
        """Median and 95th percentile of each stage, and of ``'all'`` together."""
        runs = [{**lap, 'all': sum(lap.values())} for lap in self.laps]
        return {
            stage: 1000 * np.percentile([run[stage] for run in runs], PERCENTILES)
            for stage in (*STAGES, 'all')
        }

    @property
    def fastest(self) -> float:
        """Milliseconds of the fastest run."""
        return 1000 * min(sum(lap.values()) for lap in self.laps)


def cells(figures: Figures) -> list[str]:
    """A row under ``HEADER``; times as median / 95th percentile in ms."""
    shape = figures.input_shape
    times = [f'{median:.1f} / {high:.1f}' for median, high in figures.milliseconds().values()]
    return [
        figures.name,
        f'{shape[0]}x{shape[1]}' if shape else UNKNOWN,
        UNKNOWN if figures.parameters is None else f'{figures.parameters / 1e6:.3f}',
        UNKNOWN if figures.macs is None else f'{figures.macs / 1e9:.2f}',
        f'{figures.memory:.0f}',
        *times,
        f'{figures.fastest:.1f}',
        UNKNOWN if figures.miou is None else f'{figures.miou:.2f}',
    ]


def check_writable(paths: Iterable[Path]) -> None:
    """Check before anything is measured that files can be written.

    Raises:
        InputError: If one cannot.
    """
    for path in paths:
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise InputError(f'{path}: cannot be written')


def write_json(path: Path, figures: Sequence[Figures]) -> None:
    """Write every measured second, and what it was measured with."""
    networks = [asdict(row) for row in figures]
    for network in networks:
        del network['conditions']  # of all
    report = dict(
        torch=torch.__version__,
        **asdict(figures[0].conditions),
        networks=networks,
    )
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(report, indent=1) + '\n')
