"""Draw the loss and the mIoU of the newest training run in a work dir."""

import argparse
from pathlib import Path

import matplotlib

from ..visualization.curves import plot_curves, read_scalars
from ._arguments import ToolParser
from ._cli import command

matplotlib.use('Agg')


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff plot_curves``."""
    parser.add_argument('work_dir', type=Path, help='work dir of a training run')
    parser.add_argument('--out', type=Path, help='PNG to write; curves.png in the work dir')
    parser.add_argument('--title', default='')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Parse the arguments of ``tools/plot_curves.py`` and draw."""
    out = args.out or args.work_dir / 'curves.png'
    plot_curves(read_scalars(args.work_dir), out, args.title)
    print(out)
