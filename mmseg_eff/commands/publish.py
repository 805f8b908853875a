"""Write the weights of a trained network alone: a small file to keep or to give away.

The optimizer and the history of the training are left out, the classes and the preprocessing kept.
"""

import argparse

from ._arguments import ToolParser, checkpoint
from ._cli import add_config_arguments, command, read_config_of


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff publish``."""
    add_config_arguments(parser)
    parser.add_argument('checkpoint', type=checkpoint, help='checkpoint of the training')
    parser.add_argument('target', help='file to write: .pth or .safetensors')
    parser.add_argument(
        '--half', action='store_true', help='store numbers in half precision: half the size'
    )


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Write the file, and print its size and hash."""
    from ..apis.weights import publish_weights

    written = publish_weights(read_config_of(args), args.checkpoint, args.target, half=args.half)
    print(f'{written.path}: {written.size / 1e6:.2f} MB, SHA-256 {written.sha256}')
