"""What the commands share: parse first and import later, one-line errors, options of configs."""

import argparse
import functools
import os
import sys
from collections.abc import Callable
from signal import SIGINT
from typing import TYPE_CHECKING

from .. import registration
from ..errors import InputError
from ..utils.names import TRACEBACK_VARIABLE
from ..utils.signals import end_in_one_line, ending_at_once, stopping_in_order
from ._arguments import Settings, ToolParser, whole_number

if TYPE_CHECKING:
    from mmengine.config import Config

    from ..inference.dense_crf import DenseCRF

CRF_KEYS = ('w1', 'sigma_alpha', 'sigma_beta', 'w2', 'sigma_gamma', 'iterations')  # of DenseCRF
Run = Callable[[argparse.Namespace], int | None]
AddArguments = Callable[[ToolParser], None]


class Command:
    """``main`` of a module of this package: parse, register mmseg_eff's parts, run.

    The description of the command is the docstring of its module.

    Args:
        run: Takes the parsed arguments and returns the exit status, or ``None`` for 0. What it
            imports itself is imported after the arguments are parsed.
        add_arguments: Adds the command's arguments to a parser.
        intermixed: Let options stand between the values of a positional argument.
    """

    def __init__(self, run: Run, add_arguments: AddArguments, intermixed: bool) -> None:
        functools.update_wrapper(self, run)
        self.run, self.add_arguments, self.intermixed = run, add_arguments, intermixed

    def __call__(self, argv: list[str] | None = None, prog: str | None = None) -> int:
        """Run the command; see ``tool``.

        Args:
            argv: The arguments; those of the process by default.
            prog: Name of the program in its help; that of the process by default.

        Returns:
            The exit status.
        """
        if argv is None:
            end_in_one_line()
        parser = ToolParser(
            prog,
            description=sys.modules[self.run.__module__].__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_arguments(parser)
        parse = parser.parse_intermixed_args if self.intermixed else parser.parse_args

        def work(argv: list[str] | None) -> int | None:
            with ending_at_once():
                args = parse(argv)
                register()
            return self.run(args)

        return tool(work)(argv)


def command(add_arguments: AddArguments, *, intermixed: bool = False) -> Callable[[Run], Command]:
    """Decorator that makes a function of parsed arguments a ``Command``."""
    return functools.partial(Command, add_arguments=add_arguments, intermixed=intermixed)


def register() -> None:
    """Register mmseg_eff's parts, where ``import mmseg_eff`` has left it to the command."""
    registration.register()
    from ..utils.printing import quiet_warnings

    quiet_warnings()


def tool(main: Callable[[list[str] | None], int | None]) -> Callable[[list[str] | None], int]:
    """Make ``main(argv)`` a tool: a user error is one line on stderr and exit status 1.

    A fault of the program keeps its traceback; with the environment variable
    ``MMSEG_EFF_TRACEBACK`` set, every error does. Ctrl-C is one line and status 130, SIGTERM 143.
    """

    @functools.wraps(main)
    def run(argv: list[str] | None = None) -> int:
        with stopping_in_order() as signals:
            try:
                status = main(argv) or 0
                sys.stdout.flush()
                return status
            except BaseException as error:
                if signals or isinstance(error, KeyboardInterrupt):
                    from ..utils.user_errors import kept_after

                    number = signals[0] if signals else SIGINT
                    name = '' if number == SIGINT else ' by SIGTERM'
                    print(f'interrupted{name}: {kept_after(error)}', file=sys.stderr)
                    return 128 + number
                line = line_of(error)
                if line is None or os.environ.get(TRACEBACK_VARIABLE):
                    raise
                hint = f' [{TRACEBACK_VARIABLE}=1 shows more]'
                if isinstance(error, InputError):
                    hint = ''
                elif isinstance(error, OSError) and not error.filename and is_output_lost():
                    line, hint = f'standard output: cannot be written ({error.strerror})', ''
                print(f'error: {line}{hint}', file=sys.stderr)
                return 1

    return run


def line_of(error: BaseException) -> str | None:
    """The line for an error that the user can mend; ``None`` for any other."""
    if not isinstance(error, Exception):
        return None
    from ..utils.user_errors import describe

    return describe(error)


def is_output_lost() -> bool:
    """Whether stdout cannot be written; then it is given up, or the end of Python would fail."""
    try:
        print(flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def add_config_arguments(parser: ToolParser, nargs: str | None = None) -> None:
    """Add the arguments of every command that takes a config; ``read_config_of`` reads them.

    Args:
        parser: Parser of the command.
        nargs: ``'+'`` or ``'*'`` for several configs, which ``args.config`` then lists; ``'?'``
            before ``add_checkpoint_arguments``.
    """
    parser.add_argument(
        'config',
        nargs=nargs,
        metavar='CONFIG',
        help='config file, mmseg_eff::espnet/….py, or the bare name of a config in the package',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Settings,
        help='override settings of the config: key=value key.sub="[a, b]" …',
    )
    parser.add_argument(
        '--safe-config',
        action='store_true',
        help='read the config as data and run no Python in it, for one from elsewhere',
    )
    parser.add_argument(
        '--allow-download',
        action='store_true',
        help='with --safe-config, fetch weights from URLs in the config',
    )


def add_output_stride(parser: ToolParser) -> None:
    """Add ``--output-stride``, which ``read_config_of`` obeys."""
    parser.add_argument(
        '--output-stride',
        type=whole_number(1),
        help="run the config's network at output stride 8, 16 or 32, with the same weights",
    )


def add_runner_arguments(parser: ToolParser, nargs: str | None = None) -> None:
    """Add the arguments of the commands that start mmengine's runner.

    Args:
        parser, nargs: See ``add_config_arguments``.
    """
    add_config_arguments(parser, nargs)
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='job launcher',
    )
    parser.add_argument('--local_rank', '--local-rank', type=whole_number(0), default=0)
    parser.add_argument(
        '--deterministic',
        action='store_true',
        help="equal runs on equal machines, from the config's seed or from 0",
    )


def read_config_of(args: argparse.Namespace, source: str | None = None) -> 'Config':
    """``load_config`` with the arguments of ``add_config_arguments`` and those that extend them.

    Args:
        args: Arguments of a command.
        source: Another config than ``args.config``, to read with the same arguments.
    """
    from ..config.load import load_config

    return load_config(
        source or args.config,
        args.cfg_options,
        safe_config=args.safe_config,
        allow_download=args.allow_download,
        work_dir=getattr(args, 'work_dir', None),
        output_stride=getattr(args, 'output_stride', None),
    )


def read_runner_config_of(args: argparse.Namespace) -> 'Config':
    """``read_config_of`` and ``prepare_run`` with the arguments of ``add_runner_arguments``."""
    from ..config.run_settings import prepare_run

    config = read_config_of(args)
    prepare_run(
        config,
        args.work_dir,
        launcher=args.launcher,
        local_rank=args.local_rank,
        deterministic=args.deterministic,
    )
    return config


def add_crf_options(parser: ToolParser) -> None:
    """Add ``--crf`` and ``--crf-options``."""
    parser.add_argument('--crf', action='store_true', help='refine with a dense CRF; extra [crf]')
    parser.add_argument(
        '--crf-options',
        nargs='+',
        action=Settings,
        help=f'--crf with key=value …; the keys are {", ".join(CRF_KEYS)}',
    )


def build_crf(args: argparse.Namespace) -> 'DenseCRF | None':
    """The CRF that the options ask for, or ``None``.

    Raises:
        InputError: As of ``DenseCRF``; if an option does not exist.
    """
    options = args.crf_options or {}
    unknown = [name for name in options if name not in CRF_KEYS]
    if unknown:
        raise InputError(
            f'--crf-options: no {", ".join(unknown)}; allowed are {", ".join(CRF_KEYS)}'
        )
    if not (args.crf or options):
        return None
    from ..inference.dense_crf import DenseCRF

    return DenseCRF(**options)
