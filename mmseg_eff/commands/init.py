"""Write a config for a folder of images and labels of your own, and say what to run next.

Layout, split, classes, ignored value, sizes, channels and bit depth are found; labels that are no
class indices are converted into a folder beside the config. DATA itself is not changed.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ._arguments import ToolParser, whole_number
from ._cli import command

if TYPE_CHECKING:
    from ..own_data import NewConfig

SHOWN = 5  # faults of the dataset that are printed; report.json holds all


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff init``."""
    parser.add_argument('data', metavar='DATA', help='folder of images and labels')
    parser.add_argument(
        '--network',
        default='balanced',
        help='fast, balanced (the default) or accurate; or espnet, espnetv2, eseg, deeplab',
    )
    parser.add_argument('--out', default='my_data.py', help='the config to write (my_data.py)')
    parser.add_argument(
        '--seed', type=whole_number(0), default=0, help='of the split, where DATA has none (0)'
    )
    parser.add_argument(
        '--workers', type=whole_number(1), help='processes; as many as cores by default'
    )


@command(add_arguments)
def main(args: argparse.Namespace) -> int:
    """Write, and print what was found; 1 if the dataset has errors."""
    from ..apis.configuring import init_config

    new = init_config(
        args.data, args.out, network=args.network, seed=args.seed, workers=args.workers
    )
    print_findings(new)
    errors = new.report.errors
    for finding in errors[:SHOWN]:
        print(f'error: {finding.path}: {finding.message}', file=sys.stderr)
    if errors:
        print(f'{len(errors)} errors, all in {new.folder}/report.json', file=sys.stderr)
    print('\nnext:')
    for line in new.commands:
        print(f'  {line}')
    return 1 if errors else 0


def print_findings(new: 'NewConfig') -> None:
    """Print what was found and what was written."""
    (height, width), plan = new.size, new.plan
    classes = ', '.join(f'{label} {name}' for label, name in enumerate(new.classes))
    pairs = f'{new.pairs["train"]} pairs to train, {new.pairs["val"]} to validate'
    print(f'layout    {new.layout}: {pairs}')
    print(f'images    {height}x{width}, {new.images}')
    print(f'labels    {new.labels}: {classes}')
    print(f'network   {new.network}, from {new.load_from or "random weights"}')
    crop = f'crops of {plan.crop[0]}x{plan.crop[1]}'
    print(f'training  {plan.max_iters} iterations of {plan.batch_size} {crop}')
    for note in new.notes:
        print(f'note      {note}')
    lines = Path(new.path).read_text(encoding='utf-8').count('\n')
    print(f'config    {new.path} ({lines} lines), with {new.folder}/')
