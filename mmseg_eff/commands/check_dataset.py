"""Check the files of all datasets of a config: every fault by file name, class frequencies."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.registry import init_default_scope
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table

from ..dataset_check.checks import (
    NOTES,
    Finding,
    Pair,
)
from ..dataset_check.run import (
    SPLITS,
    Part,
    check_parts,
    collect_findings,
    collect_parts,
    config_findings,
    count_classes,
)
from ..datasets.class_weights import METHODS
from ..datasets.image_reader import to_display
from ..errors import InputError
from ..utils.atomic_io import replacing
from ..utils.image_io import write_png
from ..utils.output_folder import output_folder
from ..utils.printing import console
from ..utils.user_errors import on_interrupt
from ..visualization.contact_sheet import contact_sheet
from ..visualization.overlay import color_table, draw_overlay
from ._arguments import ToolParser, whole_number
from ._cli import add_config_arguments, command, read_config_of

SHOWN = 20  # findings of a kind that are printed; the report holds all
NUM_ROWS = 8  # of the contact sheet
TILE_WIDTH = 480  # pixels


def print_findings(findings: Sequence[Finding]) -> None:
    """Print each finding, file first; of a kind with very many only the first ones."""
    printed = Counter()
    for path, kind, message in findings:
        printed[kind] += 1
        if printed[kind] <= SHOWN:
            print(f'{path}: {"note" if kind in NOTES else "error"}: {message}')
    for kind, count in printed.items():
        if count > SHOWN:
            print(f'… and {count - SHOWN} more of the kind {kind!r}; --out lists all')


def print_classes(rows: Sequence[dict]) -> None:
    """Print the classes' frequencies, and weights ready to paste."""
    table = Table('class', 'pixels', 'share', 'images', *METHODS)
    for row in rows:
        weights = [f'{weight:.4f}' for weight in row['weights'].values()]
        share = f'{100 * row["share"]:.3f} %'
        table.add_row(row['class'], f'{row["pixels"]}', share, f'{row["images"]}', *weights)
    console().print(table)
    print(f'class_weight={[row["weights"]["inverse-log"] for row in rows]}')


def draw_pairs(pairs: Sequence[Pair], part: Part) -> NDArray[np.uint8]:
    """Contact sheet of some pairs, evenly spaced: image, label, one over the other."""
    colors, rows = color_table(part.rules.palette), []
    colors[part.rules.ignore_index] = 0
    for pair in pairs[:: -(-len(pairs) // NUM_ROWS)]:
        image = to_display(part.reader.read(pair.image)['img'])
        with Image.open(pair.label) as file:
            label = part.rules.table[np.asarray(file, np.uint8)]
        rows.append((image, label, draw_overlay(image, label, colors)))
    titles = ('image', 'label (black: ignored)', 'both')
    scale = TILE_WIDTH / rows[0][0].shape[1]
    return contact_sheet(rows, colors, part.dataset.metainfo['classes'], titles, scale)


def write_report(path: Path, findings: Sequence[Finding], splits: dict[str, dict]) -> None:
    """Write all findings and the splits' classes as JSON."""
    listed = [
        dict(
            path=f.path, kind=f.kind, severity='error' if f.is_error else 'note', message=f.message
        )
        for f in findings
    ]
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(dict(findings=listed, splits=splits), indent=1) + '\n')


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
    """Parse the arguments of ``tools/check_dataset.py`` and check; 1 if there is an error."""
    config = read_config_of(args)
    init_default_scope(config.get('default_scope', 'mmseg'))
    parts = collect_parts(config, args.splits)
    if not parts:
        raise InputError(f'{args.config}: has no data loader of {", ".join(args.splits)}')
    begin = time.perf_counter()
    checks = check_parts(parts, args.workers)
    seconds = time.perf_counter() - begin
    findings = collect_findings(parts, checks)
    findings += config_findings(config, args.config, list(dict.fromkeys(p.split for p in parts)))
    splits, ignored = {}, {part.rules.ignore_index for part in parts}
    for split in dict.fromkeys(part.split for part in parts):
        num_pairs = sum(len(part.pairs) for part in parts if part.split == split)
        splits[split] = dict(pairs=num_pairs, classes=count_classes(parts, checks, split))
        for index, row in enumerate(splits[split]['classes']):
            if not row['pixels'] and index not in ignored:
                message = f'class {row["class"]!r} never occurs'
                findings.append(Finding(split, 'absent class', message))

    print_findings(findings)
    if rows := splits[parts[0].split]['classes']:
        print_classes(rows)
    num_errors = sum(finding.is_error for finding in findings)
    counted = ', '.join(f'{split} {row["pairs"]} pairs' for split, row in splits.items())
    num_notes = len(findings) - num_errors
    print(f'{counted}: {num_errors} errors, {num_notes} notes; read in {seconds:.1f} s')
    if args.out:
        out = Path(args.out)
        with output_folder(out), on_interrupt(f'{out} holds no whole report; start it again'):
            write_report(out / 'report.json', findings, splits)
            clean = [check.pair for check in checks[0] if check.pair.label and not check.errors]
            if clean:
                write_png(out / 'contact_sheet.png', draw_pairs(clean, parts[0]))
        print(f'report in {out}')
    return 1 if num_errors else 0
