"""The network that a command is for: CONFIG and CHECKPOINT, or published weights by their name."""

import argparse
import sys
from collections.abc import Callable

from ..errors import InputError
from ..utils.names import HUB
from ._arguments import ToolParser, checkpoint


def add_checkpoint_arguments(parser: ToolParser, whose: str = '') -> None:
    """Add CHECKPOINT and ``--weights``, after a CONFIG with ``nargs='?'``; see ``find_network``.

    Args:
        parser: Parser of the command, which must be ``intermixed``.
        whose: Begins the help of CHECKPOINT.
    """
    parser.add_argument(
        'checkpoint',
        nargs='?',
        type=checkpoint,
        metavar='CHECKPOINT',
        help=f'{whose}checkpoint file or hub:NAME; without one, the weights published for CONFIG',
    )
    parser.add_argument(
        '--weights',
        metavar='NAME',
        help='in place of CONFIG CHECKPOINT: published weights, which bring their config '
        '("mmseg-eff weights list" shows the names)',
    )


def find_network(args: argparse.Namespace, inputs: str | None = None) -> None:
    """Set ``args.config`` and ``args.checkpoint`` to the network that the arguments name.

    ``--weights`` stands for both, or for the checkpoint of a config that is given. A config without
    a checkpoint gets the weights that are published for it, which are named on stderr.

    Args:
        args: Arguments of a command with ``add_checkpoint_arguments``.
        inputs: Name of its positional argument for images, which takes what is parsed as config or
            checkpoint and is an image.

    Raises:
        InputError: If no network is named, there are no such weights, or they cannot be fetched.
    """
    from ..hub import resolve
    from ..inference.inputs import is_input
    from ..inference.published import SUGGESTED, config_of, weights_for

    given = (args.config, args.checkpoint, *(getattr(args, inputs) if inputs else ()))
    words = [word for word in given if word is not None]

    def take(is_wanted: Callable[[str], bool]) -> str | None:
        return words.pop(0) if words and (not inputs or is_wanted(words[0])) else None

    if args.weights:
        name = HUB + args.weights.removeprefix(HUB)
        args.config = take(is_config) or config_of(name)
    else:
        args.config = take(lambda word: not is_input(word))
        args.checkpoint = args.config and take(lambda word: not is_input(word))
        if not args.config:
            raise InputError(
                f'no network given: --weights NAME takes published weights, such as {SUGGESTED} '
                'for streets ("mmseg-eff weights list" shows all names); or give CONFIG CHECKPOINT'
            )
        name = '' if args.checkpoint else weights_for(args.config)
    if inputs:
        setattr(args, inputs, words)
    elif words:
        raise InputError(f'--weights {args.weights} takes the place of the checkpoint {words[0]}')
    if name and not args.weights:
        print(f'weights: {name}', file=sys.stderr)
    if name:
        args.checkpoint = resolve(name)


def is_config(word: str) -> bool:
    """Whether a word, where an image might stand as well, names a config."""
    return word.endswith('.py') or '::' in word
