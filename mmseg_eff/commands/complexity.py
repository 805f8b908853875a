"""Parameters and multiply-adds of a segmentor, part by part, in two countings of one forward pass.

MACs are the multiply-adds of convolutions and matrix products. ESeg and EfficientDet print as FLOPs
half of what TensorFlow 1's profiler reports (``float_operation() // 2``). That adds half an
operation for each

- element that is made by an addition, subtraction, multiplication, division or the bias of a
  convolution or a linear layer;
- element that is read by a mean; all elements less the resulting ones for a sum;
- element in each window of a pooling;

and nothing for normalisation, activations (swish included, which TensorFlow would count: the
paper's figures fit without) and resizing. It also counts a dilated convolution of stride 1 on the
padded map on which TensorFlow runs it: SpaceToBatch pads the height H until the dilation r divides
it, cuts the map into r * r maps and convolves each, which makes r * ceil(H / r) rows instead of H;
columns likewise. Sources: flops_registry.py and with_space_to_batch in TensorFlow.

Counted is what runs at inference, up to the head's logits: no auxiliary head, no enlargement of the
logits, in neither counting. Shapes are all that is computed (torch's meta device), so the size of
network and image costs no memory.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from ..benchmarking.complexity import Row, check_size, complexity
from ..errors import InputError
from ..utils.atomic_io import remove_leftovers, replacing
from ..utils.printing import console
from ._arguments import ToolParser
from ._cli import add_config_arguments, command, read_config_of

HEADER = ('parameters M', 'MACs G', 'paper G')
DESCRIPTION = """Count the parameters and multiply-adds of segmentors: MACs, and with the
element-wise operations that the ESeg paper counts. Auxiliary heads do not run at inference and are
left out, as is the enlargement of the logits. ESeg's tables are for --size 1024 2048."""


def print_table(title: str, rows: Sequence[Row]) -> None:
    """Print the figures of one config for a terminal."""
    print(title)  # a table would break it at its own width
    table = Table('part')
    for name in HEADER:
        table.add_column(name, justify='right')
    for row in rows:
        table.add_row(row.part, *format_figures(row), end_section=row is rows[-2])
    console().print(table)


def format_figures(row: Row) -> tuple[str, str, str]:
    """Parameters in millions, both countings in 1e9."""
    return (
        f'{row.parameters / 1e6:.3f}',
        f'{row.macs / 1e9:.2f}',
        f'{row.paper_macs / 1e9:.2f}',
    )


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
    """Parse the arguments of ``tools/complexity.py``, count and print."""
    wanted = check_size(args.size) if args.size else None

    records = []
    if args.markdown:
        print(f'| config | size | part | {" | ".join(HEADER)} |\n|---|---|---|--:|--:|--:|')
    for path in args.config:
        config = read_config_of(args, path)
        try:
            rows = complexity(config, wanted)
        except InputError as error:
            raise InputError(f'{path}: {error}') from error
        height, width = size = check_size(wanted or config.crop_size)
        name = Path(path).stem
        if args.markdown:
            for row in rows:
                figures = ' | '.join(format_figures(row))
                print(f'| {name} | {height}x{width} | {row.part} | {figures} |')
        else:
            print_table(f'{name}, {height}x{width}', rows)
        records += [{'config': path, 'size': size, **row._asdict()} for row in rows]
    if args.json:
        remove_leftovers(args.json.parent)
        with replacing(args.json) as temporary:
            temporary.write_text(json.dumps(records, indent=1) + '\n')
