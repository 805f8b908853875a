"""What the stages of a self-training took and gave."""

import json
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from ..utils.atomic_io import replacing
from ..utils.json_files import read_json
from ..utils.printing import console
from ..visualization.curves import read_scalars

TEACHER = '1_finetune'  # the stage that students are compared with
FORMATS = {  # columns of the summary
    'stage': '',
    'config': '',
    'iters': '',
    'minutes': '.1f',
    'CPU min': '.1f',
    'mIoU': '.2f',
    'best': '.2f',
    'gain': '+.2f',
    'kept': '.1%',
}


def summarise(
    folder: Path, stages: Mapping[str, dict], configs: Mapping[str, str | None], best: bool
) -> list[dict]:
    """What each stage took and gave.

    Args:
        folder: Folder of the stages.
        stages: Seconds and CPU seconds of each, in order.
        configs: The stages to show, each with the name of its config if it is a training.
        best: Compare the best mIoU of the trainings instead of the last.

    Returns:
        A row of ``FORMATS`` for each stage. The mIoU of the last validation and the best one are
        in percent; ``gain`` is over the first teacher; ``kept`` is the share of all pixels that
        has a pseudo label.
    """
    rows, score, first = [], 'best' if best else 'mIoU', None
    for stage, record in stages.items():
        if stage not in configs:  # of more rounds than are asked for now
            continue
        row = dict.fromkeys(FORMATS)
        row.update(stage=stage, config=configs[stage], minutes=record['seconds'] / 60)
        row['CPU min'] = record['cpu_seconds'] / 60
        rows.append(row)
        if configs[stage] is None:
            report = read_json(folder / stage / 'report.json')
            row['kept'] = report['kept']
            continue
        lines = read_scalars(folder / stage)
        row['iters'] = max((line['step'] for line in lines), default=None)
        if scores := {line['step']: line['mIoU'] for line in lines if 'mIoU' in line}:
            row['mIoU'], row['best'] = scores[max(scores)], max(scores.values())
        if stage == TEACHER:
            first = row[score]
        elif None not in (first, row[score]):
            row['gain'] = row[score] - first
    return rows


def show(rows: list[dict], folder: Path) -> None:
    """Print the rows of ``summarise``, and write them to ``summary.json`` and ``summary.md``."""
    cells = [
        ['–' if row[name] is None else format(row[name], text) for name, text in FORMATS.items()]
        for row in rows
    ]
    table = Table(*(name for name in FORMATS if name != 'config'))  # fits into 80 columns
    for stage, _, *figures in cells:
        table.add_row(stage, *figures)
    console().print(table)
    lines = [FORMATS, ['---', '---', *['--:'] * (len(FORMATS) - 2)], *cells]
    with replacing(folder / 'summary.md') as temporary:
        temporary.write_text(''.join(f'| {" | ".join(line)} |\n' for line in lines))
    with replacing(folder / 'summary.json') as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + '\n')
    print(f'{folder}/summary.md, {folder}/summary.json')
