"""Label images by a network, the teacher, where it is sure, to train another one on them.

A run that was stopped resumes. Processes of torchrun with --launcher pytorch share the images.
"""

import argparse
import math
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InputError
from ._arguments import ToolParser, device, finite_number, whole_number
from ._cli import add_config_arguments, command
from ._network import add_checkpoint_arguments, find_network

if TYPE_CHECKING:
    from ..self_training.label_files import LabelSummary

LAUNCHERS = ('none', 'pytorch')  # of label_images


def scale(text: str) -> float:
    """The type of an option that is a number above 0."""
    number = finite_number(text)
    if number <= 0:
        raise ArgumentTypeError(f'must be above 0, got {number:g}')
    return number


def probability(text: str) -> float:
    """The type of an option that is a number from 0 to 1."""
    number = finite_number(text)
    if not 0 <= number <= 1:
        raise ArgumentTypeError(f'must be a number from 0 to 1, got {number!r}')
    return number


def share(text: str) -> float:
    """The type of an option that is a number above 0 and at most 1."""
    number = finite_number(text)
    if not 0 < number <= 1:
        raise ArgumentTypeError(f'must be above 0, at most 1, got {number:g}')
    return number


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff pseudo_label``."""
    add_config_arguments(parser, nargs='?')
    add_checkpoint_arguments(parser, "the teacher's ")
    parser.add_argument('images', nargs='*', metavar='IMAGE', help='file, folder or glob')
    parser.add_argument('--out', required=True, help='folder for labels/, overlays/, report.json')
    parser.add_argument(
        '--images-of',
        metavar='CONFIG',
        help='instead of IMAGE: the images of a training whose labels are sought in OUT/labels',
    )
    parser.add_argument(
        '--scales',
        nargs='+',
        type=scale,
        default=[0.5, 1.0, 2.0],
        help="factors of the test pipeline's size (0.5 1 2)",
    )
    parser.add_argument('--no-flip', action='store_true', help='do not predict flipped images, too')
    parser.add_argument(
        '--confidence', type=probability, help='probability that a kept pixel exceeds (0.5)'
    )
    parser.add_argument(
        '--class-confidence', nargs='+', default=[], metavar='CLASS=NUMBER', help='that of classes'
    )
    parser.add_argument(
        '--class-share',
        type=share,
        help='instead: keep this share of every class, the surest',
    )
    parser.add_argument(
        '--save-confidence', action='store_true', help='write confidence/ (0 to 255)'
    )
    parser.add_argument(
        '--overlays', type=whole_number(0), default=8, help='images to draw, the first (8)'
    )
    parser.add_argument(
        '--device', type=device, help='cpu, cuda:0, …; the first GPU if there is one'
    )
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none', help='job launcher')


@command(add_arguments, intermixed=True)
def main(args: argparse.Namespace) -> int:
    """Label, and print what is kept of each class; 1 if an image failed."""
    find_network(args, 'images')
    if bool(args.images) == bool(args.images_of):
        raise InputError('give either IMAGE… or --images-of CONFIG')
    if args.class_share is not None and (args.confidence is not None or args.class_confidence):
        raise InputError('give either --class-share or --confidence and --class-confidence')
    class_confidence = read_class_confidence(args.class_confidence)

    from mmengine.dist import barrier, is_main_process

    from ..apis.labelling import pseudo_label

    made = pseudo_label(
        args.config,
        args.checkpoint,
        args.images,
        args.out,
        images_of=args.images_of,
        scales=args.scales,
        flip=not args.no_flip,
        confidence=args.confidence,
        class_confidence=class_confidence,
        class_share=args.class_share,
        save_confidence=args.save_confidence,
        overlays=args.overlays,
        device=args.device,
        launcher=args.launcher,
        options=args.cfg_options,
        safe_config=args.safe_config,
        allow_download=args.allow_download,
    )
    if is_main_process():
        print_summary(made.summary)
        for reason in made.failed.values():
            print(f'error: {reason}', file=sys.stderr)
    barrier()  # torchrun stops the others as soon as one has failed
    return 1 if made.failed else 0


def read_class_confidence(items: Sequence[str]) -> dict[str, float]:
    """The thresholds of single classes, given as CLASS=NUMBER.

    Raises:
        InputError: If an item has another form, or its number is not from 0 to 1.
    """
    found = {}
    for item in items:
        name, _, value = item.rpartition('=')
        if not name:
            raise InputError(f'--class-confidence {item}: expected CLASS=NUMBER, got {name!r}')
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = math.nan
        if not 0 <= found[name] <= 1:
            raise InputError(
                f'--class-confidence of {name} must be a number from 0 to 1, got {value!r}'
            )
    return found


def print_summary(summary: 'LabelSummary') -> None:
    """Print a table of the shares in percent."""
    from rich.table import Table

    from ..utils.printing import console

    def percent(value: float | None) -> str:
        return '–' if value is None else f'{100 * value:.2f} %'

    table = Table('class', 'predicted pixels', 'of them kept', 'kept of all pixels')
    for row in summary.classes:
        table.add_row(row.name, str(row.predicted_pixels), percent(row.kept), percent(row.share))
    console().print(table)
    print(f'{summary.images} images, {percent(summary.kept)} of their pixels kept')
