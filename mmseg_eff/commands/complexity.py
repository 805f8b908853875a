"""Count the parameters and multiply-adds of networks, part by part.

MACs are the multiply-adds of convolutions and matrix products; "paper" adds the element-wise
operations that the ESeg paper counts. Auxiliary heads do not run at inference and are left out, as
is the upsampling of the logits. ESeg's tables are for --size 1024 2048.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ._arguments import ToolParser
from ._cli import add_config_arguments, command, read_config_of

if TYPE_CHECKING:
    from ..benchmarking.complexity import Row

HEADER = ('parameters M', 'MACs G', 'paper G')


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff complexity``."""
    add_config_arguments(parser, nargs='+')
    parser.add_argument(
        '--size', nargs=2, metavar=('H', 'W'), help="of the image; the config's crop_size without"
    )
    parser.add_argument('--markdown', action='store_true', help='print one Markdown table')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures to a file')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Count and print."""
    from ..apis.measuring import complexity
    from ..benchmarking.complexity import check_size

    wanted = check_size(args.size) if args.size else None
    if args.markdown:
        print(f'| config | size | part | {" | ".join(HEADER)} |\n|---|---|---|--:|--:|--:|')
    records = []
    for path in args.config:
        config = read_config_of(args, path)
        try:
            (height, width), rows, total = complexity(config, wanted)
        except InputError as error:
            raise InputError(f'{path}: {error}') from error
        rows, name = [*rows, total], Path(path).name.removesuffix('.py')
        if args.markdown:
            for row in rows:
                figures = ' | '.join(format_figures(row))
                print(f'| {name} | {height}x{width} | {row.part} | {figures} |')
        else:
            print_table(f'{name}, {height}x{width}', rows)
        records += [{'config': path, 'size': (height, width), **row._asdict()} for row in rows]
    if args.json:
        write_json(args.json, records)


def print_table(title: str, rows: 'Sequence[Row]') -> None:
    """Print the figures of one config for a terminal."""
    from rich.table import Table

    from ..utils.printing import console

    print(title)  # a table would break it at its own width
    table = Table('part')
    for name in HEADER:
        table.add_column(name, justify='right')
    for row in rows:
        table.add_row(row.part, *format_figures(row), end_section=row is rows[-2])
    console().print(table)


def format_figures(row: 'Row') -> tuple[str, str, str]:
    """Parameters in millions, both countings in 1e9."""
    return (
        f'{row.parameters / 1e6:.3f}',
        f'{row.macs / 1e9:.2f}',
        f'{row.paper_macs / 1e9:.2f}',
    )


def write_json(path: Path, records: list[dict]) -> None:
    """Write the figures of all configs."""
    from ..utils.atomic_io import remove_leftovers, replacing

    remove_leftovers(path.parent)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(records, indent=1) + '\n')
