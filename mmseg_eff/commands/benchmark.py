"""Time networks from image file to label file, stage by stage, in one run on the CPU.

For configs (with random weights unless --checkpoints are given) and folders of export: parameters,
multiply-adds, memory and the time of each stage. Stages: decode the image; preprocess it; run the
network up to its logits; upsample them to labels; write a PNG. mIoU is looked up in the
metafile.yaml beside a config: it was measured at that recipe's own image size, whatever --size is.
"""

import argparse
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..utils.names import HUB
from ._arguments import ToolParser, checkpoint, finite_number, whole_number
from ._cli import add_config_arguments, command

if TYPE_CHECKING:
    from ..benchmarking.report import Figures
    from ..benchmarking.stages import Candidate

RANDOM = '-'  # in place of a checkpoint
PEERS = (  # of benchmarking.run
    *('BiSeNetV2', 'DDRNet-23-slim', 'PIDNet-S', 'STDC1', 'Fast-SCNN', 'SegFormer-B0'),
    'DeepLabV3+ MobileNetV2',
)


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff benchmark``."""
    add_config_arguments(parser, nargs='*')
    parser.add_argument(
        '--checkpoints',
        nargs='+',
        type=checkpoint,
        help='one for each config, a file or hub:NAME; - for random weights',
    )
    parser.add_argument(
        '--weights', nargs='+', default=[], metavar='NAME', help='published weights to time, too'
    )
    parser.add_argument('--image', nargs='+', default=[], metavar='FILE', help='images to time on')
    parser.add_argument(
        '--size',
        nargs=2,
        metavar=('H', 'W'),
        help='resize the images to this first, and leave the pipelines to do so out',
    )
    parser.add_argument('--peers', action='store_true', help=f"also mmseg's {', '.join(PEERS)}")
    parser.add_argument('--miou', nargs='+', default=[], metavar='NAME=VALUE')
    parser.add_argument('--threads', type=whole_number(1), default=2)
    parser.add_argument('--repeats', type=whole_number(1), default=21)
    parser.add_argument(
        '--minutes',
        type=finite_number,
        default=0.0,
        help='time for all: the faster networks repeat more in their part of it',
    )
    parser.add_argument('--markdown', action='store_true', help='print a Markdown table')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every measured second')
    parser.add_argument('--plot', type=Path, metavar='FILE', help='draw mIoU over time, a PNG')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    from ..apis.measuring import benchmark

    figures = benchmark(
        find_candidates(args),
        args.image,
        size=args.size,
        peers=args.peers,
        miou=dict(map(read_miou, args.miou)),
        repeats=args.repeats,
        minutes=args.minutes,
        threads=args.threads,
        json_file=args.json,
        plot_file=args.plot,
    )
    print(figures[0].conditions)
    print_table(figures, args.markdown)
    if args.plot:
        for missing in (row.name for row in figures if row.miou is None):
            print(f'{missing}: not in the picture; give its --miou', file=sys.stderr)


def find_candidates(args: argparse.Namespace) -> 'list[Candidate]':
    """The configs, folders and published weights that the arguments name.

    Raises:
        InputError: If checkpoints do not match the configs, or there are no such weights.
    """
    from ..apis.measuring import as_candidate
    from ..benchmarking.stages import Candidate

    checkpoints = args.checkpoints or [RANDOM] * len(args.config)
    if len(checkpoints) != len(args.config):
        raise InputError(
            f'--checkpoints needs one for each of the {len(args.config)} configs '
            f'({RANDOM} for random weights or an export), got {len(checkpoints)}'
        )
    published = [HUB + name.removeprefix(HUB) for name in args.weights]
    candidates = [as_candidate(name, args.cfg_options) for name in published]
    return candidates + [
        Candidate(
            name=Path(path).name.removesuffix('.py'),
            path=path,
            checkpoint=None if file == RANDOM else file,
            cfg_options=args.cfg_options,
            safe_config=args.safe_config,
            allow_download=args.allow_download,
        )
        for path, file in zip(args.config, checkpoints, strict=True)
    ]


def read_miou(pair: str) -> tuple[str, float]:
    """A network's name and its mIoU, from ``name=value``.

    Raises:
        InputError: If it is not of this form.
    """
    name, _, value = pair.rpartition('=')
    try:
        return name, finite_number(value)
    except ArgumentTypeError as error:
        raise InputError(f'--miou takes name=value, got {pair!r}') from error


def print_table(figures: 'Sequence[Figures]', use_markdown: bool) -> None:
    """Print all figures; times are medians and 95th percentiles in ms."""
    from rich.table import Table

    from ..benchmarking.report import HEADER, cells
    from ..utils.printing import console

    print('times in ms: median / 95th percentile; fastest: of all stages together')
    rows = [cells(row) for row in figures]
    if use_markdown:
        print(f'| {" | ".join(HEADER)} |\n|---|---|{"--:|" * (len(HEADER) - 2)}')
        for row in rows:
            print(f'| {" | ".join(row)} |')
        return
    table = Table(*HEADER)
    for row in rows:
        table.add_row(*row)
    console(width=200).print(table)
