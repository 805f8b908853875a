"""The command ``mmseg-eff``: one subcommand a file, each with the name of its tool."""

import argparse
import sys
from importlib import import_module
from types import ModuleType

from ..utils.signals import end_in_one_line

COMMANDS = (  # in the order of --help
    'predict',
    'init',
    'train',
    'test',
    'export',
    'serve',
    'benchmark',
    'complexity',
    'check_dataset',
    'class_weights',
    'convert_labels',
    'convert_weights',
    'weights',
    'publish',
    'pseudo_label',
    'self_train',
    'plot_curves',
    'demo',
)


def load(name: str) -> ModuleType:
    """The module of a subcommand; it imports no library before its arguments are parsed."""
    return import_module(f'.{name}', __name__)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands: for help, usage errors and shell completion."""
    import shtab

    from ..version import __version__
    from ._arguments import ToolParser

    parser = ToolParser(
        'mmseg-eff',
        description='Efficient semantic segmentation: use, train, export and measure networks.',
    )
    parser.add_argument('--version', action='version', version=f'mmseg-eff {__version__}')
    shtab.add_argument_to(parser, help='print the completion script of a shell')
    subparsers = parser.add_subparsers(metavar='SUBCOMMAND', required=True)
    for name in COMMANDS:
        module = load(name)
        summary = (module.__doc__ or '').partition('\n')[0].rstrip('.')
        module.main.add_arguments(
            subparsers.add_parser(name, help=summary, description=module.__doc__)
        )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand; without one, print the help."""
    if argv is None:
        end_in_one_line()
    words = sys.argv[1:] if argv is None else argv
    name = words[0].replace('-', '_') if words else ''
    if name in COMMANDS:
        return load(name).main(words[1:], prog=f'mmseg-eff {words[0]}')
    build_parser().parse_args(words or ['--help'])
    return 0
