"""What the command-line tools share: one-line errors, config files, their options."""

import argparse
import functools
import os
import sys
from collections.abc import Callable
from signal import SIGINT

from mmengine.config import Config

from ..config.load import load_config
from ..config.run_settings import prepare_run
from ..errors import InputError
from ..inference.dense_crf import DenseCRF, crf_parameters
from ..utils.printing import quiet_warnings
from ..utils.signals import stopping_in_order
from ..utils.user_errors import TRACEBACK_VARIABLE, describe, kept_after
from ._arguments import Settings, ToolParser, whole_number


def tool(main: Callable[[list[str] | None], int | None]) -> Callable[[list[str] | None], int]:
    """Make ``main(argv)`` a tool: a user error is one line on stderr and exit status 1.

    A fault of the program keeps its traceback; with the environment variable
    ``MMSEG_EFF_TRACEBACK`` set, every error does. Ctrl-C is one line and status 130, SIGTERM 143.
    """

    @functools.wraps(main)
    def run(argv: list[str] | None = None) -> int:
        quiet_warnings()
        with stopping_in_order() as signals:
            try:
                status = main(argv) or 0
                sys.stdout.flush()
                return status
            except BaseException as error:
                if signals or isinstance(error, KeyboardInterrupt):
                    number = signals[0] if signals else SIGINT
                    name = '' if number == SIGINT else ' by SIGTERM'
                    print(f'interrupted{name}: {kept_after(error)}', file=sys.stderr)
                    return 128 + number
                line = describe(error) if isinstance(error, Exception) else None
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


def is_output_lost() -> bool:
    """Whether stdout cannot be written; then it is given up, or the end of Python would fail."""
    try:
        print(flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def config_parser(description: str, nargs: str | None = None) -> argparse.ArgumentParser:
    """A parser with the arguments of every tool that takes a config.

    Args:
        description: What the tool does.
        nargs: ``'+'`` for several configs, which ``args.config`` then lists.
    """
    parser = ToolParser(description=description)
    parser.add_argument(
        'config',
        nargs=nargs,
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
    return parser


def add_output_stride(parser: argparse.ArgumentParser) -> None:
    """Add ``--output-stride``, which ``load_config`` obeys."""
    parser.add_argument(
        '--output-stride',
        type=whole_number(1),
        help="run the config's network at output stride 8, 16 or 32, with the same weights",
    )


def runner_parser(description: str) -> argparse.ArgumentParser:
    """``config_parser`` with the arguments of the tools that start mmengine's runner."""
    parser = config_parser(description)
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
    return parser


def read_config_of(args: argparse.Namespace, source: str | None = None) -> Config:
    """``load_config`` with the arguments of ``config_parser``, and of those that extend it.

    Args:
        args: Arguments of a command.
        source: Another config than ``args.config``, to read with the same arguments.
    """
    return load_config(
        source or args.config,
        args.cfg_options,
        safe_config=args.safe_config,
        allow_download=args.allow_download,
        work_dir=getattr(args, 'work_dir', None),
        output_stride=getattr(args, 'output_stride', None),
    )


def read_runner_config_of(args: argparse.Namespace) -> Config:
    """``read_config_of`` and ``prepare_run`` with the arguments of ``runner_parser``."""
    config = read_config_of(args)
    prepare_run(
        config,
        args.work_dir,
        launcher=args.launcher,
        local_rank=args.local_rank,
        deterministic=args.deterministic,
    )
    return config


def add_crf_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--crf`` and ``--crf-options``."""
    parser.add_argument('--crf', action='store_true', help='refine with a dense CRF; extra [crf]')
    parser.add_argument(
        '--crf-options',
        nargs='+',
        action=Settings,
        help=f'--crf with key=value …; the keys are {", ".join(crf_parameters())}',
    )


def build_crf(args: argparse.Namespace) -> DenseCRF | None:
    """The CRF that the options ask for, or ``None``.

    Raises:
        InputError: As of ``DenseCRF``; if an option does not exist.
    """
    options = args.crf_options or {}
    unknown = [name for name in options if name not in crf_parameters()]
    if unknown:
        raise InputError(
            f'--crf-options: no {", ".join(unknown)}; allowed are {", ".join(crf_parameters())}'
        )
    return DenseCRF(**options) if args.crf or options else None
