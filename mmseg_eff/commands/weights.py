"""List published weights, fetch them into the cache, or say where they are."""

import argparse
from typing import TYPE_CHECKING

from ._arguments import ToolParser
from ._cli import command

if TYPE_CHECKING:
    from rich.table import Table

    from ..hub import Weights


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff weights``."""
    actions = parser.add_subparsers(dest='action', required=True)
    listing = actions.add_parser('list', help='all names with dataset, mIoU, size and licence')
    listing.add_argument('filter', nargs='?', default='', help='part of the names to list')
    for action, text in (('get', 'fetch and convert'), ('where', 'print where the cache has them')):
        actions.add_parser(action, help=text).add_argument('names', nargs='+', metavar='NAME')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """List, fetch or locate weights."""
    from rich.console import Console

    from ..hub import find, get, published

    if args.action == 'list':
        rows = [row for row in published().values() if args.filter in row.name]
        Console().print(table(rows))
        return
    for name in args.names:
        print(f'{name}: {get(name) if args.action == "get" else status(name)}')
        if config := find(name).config:
            print(f'  for mmseg_eff::{config}.py')


def table(rows: 'list[Weights]') -> 'Table':
    """A table of weights for the terminal."""
    from rich.table import Table

    result = Table('name', 'trained on', 'mIoU', 'MB', 'licence')
    result.columns[0].no_wrap = True
    for row in rows:
        result.add_row(
            row.name,
            row.dataset,
            '' if row.miou is None else f'{row.miou:.2f}',
            '' if row.size is None else f'{row.size / 1e6:.1f}',
            row.licence,
        )
    return result


def status(name: str) -> str:
    """Where the cache has the weights of a name, or would have them."""
    from ..hub import find
    from ..hub.cache import converted_path, original_path, shipped_path

    if shipped := shipped_path(find(name)):
        return f'{shipped}'
    converted, original = converted_path(name), original_path(name)
    if converted.is_file():
        return f'{converted}'
    return f'not in the cache; would be {converted}, made from {original}'
