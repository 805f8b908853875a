"""Train a model from its config, as mmseg's own ``tools/train.py`` does, with checks before it."""

import argparse

from ._arguments import ToolParser
from ._cli import add_runner_arguments, command, read_config_of


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff train``."""
    add_runner_arguments(parser)
    parser.add_argument(
        '--resume', action='store_true', help='go on from the last checkpoint in the work dir'
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Train."""
    from ..apis.training import train

    chosen = (args.cfg_options or {}).get('load_from')  # goes before the last checkpoint
    train(
        read_config_of(args),
        work_dir=args.work_dir,
        resume=args.resume and (chosen or True),
        amp=args.amp,
        launcher=args.launcher,
        local_rank=args.local_rank,
        deterministic=args.deterministic,
    )
