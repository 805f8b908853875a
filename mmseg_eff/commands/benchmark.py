"""Time from an image file to its label file, stage by stage, of several networks in one run.

Stages: decoding the image; preprocessing (the test pipeline and the normalisation); the network, up
to its logits; the labels (enlarging the logits, argmax); writing a PNG. All run on the CPU in one
process, in turn on the same image, the first turn as warm-up. Memory is measured in a process of
its own for each network. Exported folders run in their engine, and what is inside their graph
counts as network.
"""

import argparse
import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ..benchmarking.complexity import check_size
from ..benchmarking.report import plot, print_table, write_json
from ..benchmarking.run import PEERS, RANDOM, benchmark, known_miou, make_images
from ..benchmarking.stages import Candidate
from ..errors import InputError
from ._arguments import ToolParser, checkpoint, finite_number, whole_number
from ._cli import add_config_arguments, command

DESCRIPTION = """Parameters, multiply-adds, memory and the time of each stage from an image file to
its label file, of configs (with random weights unless --checkpoints are given) and of folders of
tools/export.py, in one run on the CPU. mIoU is looked up in the metafile.yaml beside a config: it
was measured at that recipe's own image size, whatever --size is."""


def find_candidates(args: argparse.Namespace) -> list[Candidate]:
    """What the arguments ask to compare.

    Raises:
        InputError: If checkpoints do not match the configs, or two would have one name.
    """
    checkpoints = args.checkpoints or [RANDOM] * len(args.config)
    if len(checkpoints) != len(args.config):
        raise InputError(
            f'--checkpoints needs one for each of the {len(args.config)} configs '
            f'({RANDOM} for random weights or an export), got {len(checkpoints)}'
        )
    candidates = [
        Candidate(
            name=Path(path).stem,
            path=path,
            checkpoint=None if file == RANDOM else file,
            cfg_options=args.cfg_options,
            safe_config=args.safe_config,
            allow_download=args.allow_download,
        )
        for path, file in zip(args.config, checkpoints, strict=True)
    ]
    if args.peers:
        candidates += [Candidate(name, f'mmseg::{path}') for name, path in PEERS.items()]
    names = [candidate.name for candidate in candidates]
    if len(set(names)) < len(names):
        raise InputError(f'two of the networks have the same name: {", ".join(sorted(names))}')
    return candidates


def read_miou(pairs: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """The numbers of ``name=value`` arguments.

    Raises:
        InputError: If one is not of this form, or names no network.
    """
    miou = {}
    for pair in pairs:
        name, _, value = pair.rpartition('=')
        try:
            miou[name] = finite_number(value)
        except ArgumentTypeError as error:
            raise InputError(f'--miou takes name=value, got {pair!r}') from error
        if name not in names:
            raise InputError(f'--miou: no network {name!r}; there are {", ".join(names)}')
    return miou


def check_outputs(
    args: argparse.Namespace, candidates: Sequence[Candidate], miou: Mapping[str, float]
) -> None:
    """Check before anything is measured that what is asked for can be written.

    Raises:
        InputError: If no mIoU is known for the picture, or a file cannot be written.
    """
    for path in filter(None, (args.json, args.plot)):
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise InputError(f'{path}: cannot be written')
    if args.plot and not miou:
        configs = [c.config() for c in candidates if not Path(c.path).is_dir()]
        if not any(map(known_miou, configs)):
            raise InputError('--plot needs the --miou of one network at least')


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff benchmark``."""
    add_config_arguments(parser, nargs='+')
    parser.add_argument(
        '--checkpoints',
        nargs='+',
        type=checkpoint,
        help='one for each config, a file or hub:NAME; - for random weights',
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
    parser.add_argument('--markdown', action='store_true', help='print a Markdown table')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every measured second')
    parser.add_argument('--plot', type=Path, metavar='FILE', help='draw mIoU over time, a PNG')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Parse the arguments of ``tools/benchmark.py``, measure and print."""
    size = check_size(args.size) if args.size else None
    candidates = find_candidates(args)
    miou = read_miou(args.miou, [candidate.name for candidate in candidates])
    check_outputs(args, candidates, miou)
    with TemporaryDirectory() as folder:
        images = make_images(args.image, size, Path(folder))
        figures = benchmark(
            candidates,
            images,
            miou,
            repeats=args.repeats,
            threads=args.threads,
            keep_size=size is not None,
        )
    print_table(figures, args.markdown)
    if args.json:
        write_json(args.json, figures, args.threads)
    if args.plot:
        plot(args.plot, figures, args.threads)
        for missing in (f.name for f in figures if f.miou is None):
            print(f'{missing}: not in the picture; give its --miou', file=sys.stderr)
