"""Evaluate a checkpoint on the test data of its config."""

import argparse
from pathlib import Path

from ..errors import InputError
from ._arguments import ToolParser
from ._cli import (
    add_crf_options,
    add_output_stride,
    add_runner_arguments,
    build_crf,
    command,
    read_config_of,
)
from ._network import add_checkpoint_arguments, find_network


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff test``."""
    add_runner_arguments(parser, nargs='?')
    add_checkpoint_arguments(parser)
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='write label PNGs as tools/predict.py does: class indices from 0, the folders kept '
        "(mmseg's output_dir adds 1 where reduce_zero_label is set)",
    )
    parser.add_argument(
        '--confusion-matrix',
        type=Path,
        metavar='DIR',
        help='write confusion_matrix.json and .png: pixels, and shares of each class',
    )
    parser.add_argument('--tta', action='store_true', help='test-time augmentation of the config')
    add_output_stride(parser)
    add_crf_options(parser)


@command(add_arguments, intermixed=True)
def main(args: argparse.Namespace) -> None:
    """Evaluate; the log shows the metrics."""
    crf = build_crf(args)
    if crf and args.tta:
        raise InputError('--crf and --tta exclude each other: the CRF refines a single view')
    find_network(args)
    from ..apis.evaluation import evaluate

    evaluation = evaluate(
        read_config_of(args),
        args.checkpoint,
        work_dir=args.work_dir,
        out=args.out,
        confusion_matrix=args.confusion_matrix or False,
        tta=args.tta,
        crf=crf,
        launcher=args.launcher,
        local_rank=args.local_rank,
        deterministic=args.deterministic,
    )
    if evaluation.confusion_matrix is not None:
        print(f'{args.confusion_matrix}/confusion_matrix.json and .png')
    if crf:
        print(crf.timing())
