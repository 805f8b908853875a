"""Count the pixels of each class of a dataset: class weights, ready to paste into a config."""

import argparse

from ._arguments import ToolParser, finite_number
from ._cli import add_config_arguments, command, read_config_of

METHODS = ('inverse-log', 'median-frequency')  # of datasets.class_weights


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff class_weights``."""
    add_config_arguments(parser)
    parser.add_argument('--method', choices=METHODS, default='inverse-log')
    parser.add_argument(
        '--log-offset',
        type=finite_number,
        default=1.10,
        help='c of inverse-log: ESPNet 1.10, ENet 1.02',
    )
    parser.add_argument(
        '--count-ignored', action='store_true', help='treat ignored pixels as one more class'
    )
    parser.add_argument('--out', help='JSON file for the weights; class_weight can name it')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Count, and print a table and the weights."""
    from rich.table import Table

    from ..apis.label_tools import class_weights
    from ..utils.printing import console

    counted = class_weights(
        read_config_of(args),
        method=args.method,
        log_offset=args.log_offset,
        count_ignored=args.count_ignored,
        out=args.out,
    )
    table = Table('class', 'pixels', 'share', 'weight')
    for name, pixels, share, weight in zip(
        counted.classes, counted.pixels, counted.shares, counted.weights, strict=True
    ):
        table.add_row(name, f'{pixels}', f'{100 * share:.3f} %', f'{weight:.4f}')
    console().print(table)
    print(f'class_weight={counted.weights}')
