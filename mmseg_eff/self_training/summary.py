"""Summarise the stages of a self-training: time, mIoU, gain and share of labels kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..utils.atomic_io import replacing
from ..utils.json_files import read_json
from ..visualization.curves import read_scalars

TEACHER = '1_finetune'  # the stage that students are compared with
COLUMNS = {  # column of the summary -> attribute of StageRow and its format
    'stage': ('stage', ''),
    'config': ('config', ''),
    'iters': ('iters', ''),
    'minutes': ('minutes', '.1f'),
    'CPU min': ('cpu_minutes', '.1f'),
    'mIoU': ('miou', '.2f'),
    'best': ('best', '.2f'),
    'gain': ('gain', '+.2f'),
    'kept': ('kept', '.1%'),
}


@dataclass
class StageRow:
    """What a stage took and gave; ``None`` where a stage has no such figure.

    Attributes:
        stage: Name of the stage.
        config: Name of the config of a training.
        minutes: Wall time.
        cpu_minutes: CPU time of all processes.
        iters: Iterations of a training.
        miou: mIoU of the last validation in percent.
        best: Best mIoU of all validations in percent.
        gain: mIoU minus that of the first teacher, in points.
        kept: Share of all pixels that has a pseudo label, 0 to 1.
    """

    stage: str
    config: str | None
    minutes: float
    cpu_minutes: float
    iters: int | None = None
    miou: float | None = None
    best: float | None = None
    gain: float | None = None
    kept: float | None = None


def summarise_stages(
    folder: Path, stages: Mapping[str, dict], configs: Mapping[str, str | None], *, best: bool
) -> list[StageRow]:
    """Read the figures of each stage.

    Args:
        folder: Folder of the stages.
        stages: Seconds and CPU seconds of each stage, in order.
        configs: The stages to show, each with the name of its config, ``None`` if it is no
            training.
        best: Compare the best mIoU of the trainings instead of the last.
    """
    rows: list[StageRow] = []
    first: float | None = None
    for stage, record in stages.items():
        if stage not in configs:  # of an earlier call, which asked for more rounds
            continue
        minutes = record['seconds'] / 60
        row = StageRow(stage, configs[stage], minutes, record['cpu_seconds'] / 60)
        rows.append(row)
        if row.config is None:
            row.kept = read_json(folder / stage / 'report.json')['kept']
            continue
        lines = read_scalars(folder / stage)
        row.iters = max((line['step'] for line in lines), default=None)
        if scores := {line['step']: line['mIoU'] for line in lines if 'mIoU' in line}:
            row.miou, row.best = scores[max(scores)], max(scores.values())
        score = row.best if best else row.miou
        if stage == TEACHER:
            first = score
        elif first is not None and score is not None:
            row.gain = score - first
    return rows


def cells_of(rows: Sequence[StageRow]) -> list[list[str]]:
    """The text of each row in ``COLUMNS``."""
    return [[text_of(getattr(row, name), text) for name, text in COLUMNS.values()] for row in rows]


def text_of(value: object, text: str) -> str:
    """A value in a format; a dash for ``None``."""
    return '–' if value is None else format(value, text)


def write_summary(rows: Sequence[StageRow], folder: Path) -> None:
    """Write ``summary.json`` and ``summary.md``."""
    lines = [[*COLUMNS], ['---', '---', *['--:'] * (len(COLUMNS) - 2)], *cells_of(rows)]
    with replacing(folder / 'summary.md') as temporary:
        temporary.write_text(''.join(f'| {" | ".join(line)} |\n' for line in lines))
    content = [
        {column: getattr(row, name) for column, (name, _) in COLUMNS.items()} for row in rows
    ]
    with replacing(folder / 'summary.json') as temporary:
        temporary.write_text(json.dumps(content, indent=1) + '\n')
