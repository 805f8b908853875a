"""Draw the loss and the mIoU of the newest training run in a work dir."""

import argparse
from pathlib import Path

from ._arguments import ToolParser
from ._cli import command


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff plot_curves``."""
    parser.add_argument('work_dir', type=Path, help='work dir of a training run')
    parser.add_argument('--out', type=Path, help='PNG to write; curves.png in the work dir')
    parser.add_argument('--title', default='')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Draw, and print where."""
    from ..visualization.curves import draw_curves

    print(draw_curves(args.work_dir, args.out, args.title))
