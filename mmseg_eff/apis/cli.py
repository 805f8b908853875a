"""What the command-line tools share: one-line errors, config files, their options."""

import argparse
import functools
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

from .. import compat
from ..errors import InputError

TRACEBACK_VARIABLE = 'MMSEG_EFF_TRACEBACK'
USER_ERRORS = (AssertionError, ImportError, KeyError, OSError, TypeError, ValueError)


def one_line(error: BaseException) -> str:
    """The last line of an error's message; for one from a loader's worker, its own message."""
    if isinstance(error, OSError) and error.filename:
        return f'{error.filename}: {error.strerror}'
    lines = [line for line in str(error.args[0] if error.args else error).splitlines() if line]
    message = lines[-1] if lines else type(error).__name__
    is_from_worker = len(lines) > 1 and 'DataLoader worker' in lines[0]
    return message.split(': ', 1)[-1] if is_from_worker else message


def tool(main: Callable[[list[str] | None], int | None]) -> Callable[[list[str] | None], int]:
    """Make ``main(argv)`` a tool: wrong input is one line on stderr and exit status 1.

    With the environment variable ``MMSEG_EFF_TRACEBACK`` set, the error is raised instead.
    """

    @functools.wraps(main)
    def run(argv: list[str] | None = None) -> int:
        quiet_warnings()
        try:
            return main(argv) or 0
        except USER_ERRORS as error:
            if os.environ.get(TRACEBACK_VARIABLE):
                raise
            hint = '' if isinstance(error, InputError) else f' [{TRACEBACK_VARIABLE}=1 shows more]'
            print(f'error: {one_line(error)}{hint}', file=sys.stderr)
            return 1

    return run


def quiet_warnings() -> None:
    """Hide the warnings that mmseg gives on every run whatever the user does."""
    for message in (
        '.*would be deprecated soon',
        '.*avg_non_ignore',
        '.*The draw is False',
        '.*is not a child of',
        '.*torch.jit.script. is deprecated',
    ):
        warnings.filterwarnings('ignore', message=message)


def config_parser(description: str, nargs: str | None = None) -> argparse.ArgumentParser:
    """A parser with the arguments of every tool that takes a config.

    Args:
        description: What the tool does.
        nargs: ``'+'`` for several configs, which ``args.config`` then lists.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        'config', nargs=nargs, help='config file, or mmseg_eff::espnet/….py from any folder'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override settings of the config: key=value key.sub="[a, b]" …',
    )
    return parser


def load_config(args: argparse.Namespace) -> Config:
    """Read ``args.config`` and merge ``args.cfg_options``.

    Raises:
        InputError: If there is no such config.
    """
    path = args.config
    if '::' in path:
        package, _, name = path.partition('::')
        path = str(Path(compat.get_installed_path(package), '.mim', 'configs', name))
    if not Path(path).is_file():
        raise InputError(f'{args.config}: no such config file')
    config = Config.fromfile(path)
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    return config


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
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    return parser


def load_runner_config(args: argparse.Namespace) -> Config:
    """``load_config`` with the launcher and the work dir that the runner needs."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    config = load_config(args)
    config.launcher = args.launcher
    default = Path('work_dirs', Path(args.config).stem)
    config.work_dir = args.work_dir or config.get('work_dir') or str(default)
    init_default_scope(config.get('default_scope', 'mmseg'))
    return config
