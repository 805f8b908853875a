"""Check a dataset: every fault of its images and labels by file name, and class frequencies.

Checked are the data loaders of a config. The exit status is 1 if there is an error; notes harm no
training. Class weights are printed ready to paste into the config.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ._arguments import ToolParser, whole_number
from ._cli import add_config_arguments, command, read_config_of

if TYPE_CHECKING:
    from ..dataset_check.report import ClassFrequency, DatasetReport

SPLITS = ('train', 'val', 'test')
SHOWN = 20  # findings of a kind that are printed; the report holds all


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff check_dataset``."""
    add_config_arguments(parser)
    parser.add_argument('--out', help='folder for report.json and contact_sheet.png')
    parser.add_argument(
        '--splits', nargs='+', choices=SPLITS, default=SPLITS, help='those to check'
    )
    parser.add_argument(
        '--workers', type=whole_number(1), help='processes; as many as cores by default'
    )


@command(add_arguments)
def main(args: argparse.Namespace) -> int:
    """Check and print; 1 if there is an error."""
    from ..apis.dataset_checking import check_dataset

    report = check_dataset(
        read_config_of(args),
        splits=args.splits,
        workers=args.workers,
        out=args.out,
        name=args.config,
    )
    print_findings(report)
    for line in report.conversions:
        print(f'if these labels mean what they hold, this converts them: {line}')
    first, *_ = report.splits.values()
    if first.classes:
        print_classes(first.classes)
    counted = ', '.join(f'{name} {split.pairs} pairs' for name, split in report.splits.items())
    num_errors, num_notes = len(report.errors), len(report.notes)
    print(f'{counted}: {num_errors} errors, {num_notes} notes; read in {report.seconds:.1f} s')
    if args.out:
        print(f'report in {Path(args.out)}')
    return 1 if num_errors else 0


def print_findings(report: 'DatasetReport') -> None:
    """Print each finding, file first; of a kind with very many only the first ones."""
    printed: Counter[str] = Counter()
    for finding in report.findings:
        printed[finding.kind] += 1
        if printed[finding.kind] <= SHOWN:
            severity = 'error' if finding.is_error else 'note'
            print(f'{finding.path}: {severity}: {finding.message}')
    for kind, number in printed.items():
        if number > SHOWN:
            print(f'… and {number - SHOWN} more of the kind {kind!r}; --out lists all')


def print_classes(rows: 'list[ClassFrequency]') -> None:
    """Print the classes' frequencies, and weights ready to paste."""
    from rich.table import Table

    from ..utils.printing import console

    table = Table('class', 'pixels', 'share', 'images', *rows[0].weights)
    for row in rows:
        weights = [f'{weight:.4f}' for weight in row.weights.values()]
        table.add_row(
            row.name, f'{row.pixels}', f'{100 * row.share:.3f} %', f'{row.images}', *weights
        )
    console().print(table)
    print(f'class_weight={[row.weights["inverse-log"] for row in rows]}')
