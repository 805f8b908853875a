"""What the command-line tools share: one-line errors, config files, their options."""

import argparse
import functools
import inspect
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT

from mmengine.config import Config, ConfigDict
from mmengine.model import is_model_wrapper
from mmengine.registry import Registry, init_default_scope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch import nn

from .. import compat
from ..engine.runner import SegRunner
from ..errors import InputError
from ..models.layers.output_stride import OUTPUT_STRIDES
from .arguments import Settings, ToolParser, whole_number
from .config_keys import check_keys, check_paths
from .config_types import check_types
from .safe_config import read_safe_config
from .safe_keys import Limits
from .signals import stopping_in_order
from .user_errors import TRACEBACK_VARIABLE, describe, kept_after, one_line


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
    parser = ToolParser(description=description)
    parser.add_argument(
        'config', nargs=nargs, help='config file, or mmseg_eff::espnet/….py from any folder'
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


def load_config(args: argparse.Namespace) -> Config:
    """Read ``args.config``, merge ``args.cfg_options`` and set the output stride asked for, if any.

    Raises:
        InputError: If there is no such config or it cannot be read, or nothing reads an option.
            See also ``set_output_stride``.
    """
    path = args.config
    if '::' in path:
        package, _, name = path.partition('::')
        path = str(Path(compat.get_installed_path(package), '.mim', 'configs', name))
    if not Path(path).is_file():
        raise InputError(f'{args.config}: no such config file')
    if getattr(args, 'safe_config', False):
        work_dir = getattr(args, 'work_dir', None) or Path('work_dirs')
        limits = Limits(Path(work_dir), getattr(args, 'allow_download', False))
        config = read_safe_config(path, limits)
    else:
        config = read_config(path)
    if args.cfg_options:
        check_paths(config, args.cfg_options)
        before = config._cfg_dict
        config.merge_from_dict(args.cfg_options)
        check_keys(before, config, args.cfg_options)
    try:
        check_types(config)
    except InputError as error:
        raise InputError(f'{args.config}: {error}') from error
    if getattr(args, 'output_stride', None) is not None:
        set_output_stride(config, args.output_stride)
    return config


def read_config(path: str) -> Config:
    """Run a config file.

    Raises:
        InputError: Whatever is wrong in it, or in a module that it imports.
    """
    try:
        return Config.fromfile(path)
    except (InputError, OSError):
        raise
    except Exception as error:
        cause: BaseException = error
        while isinstance(cause, ImportError) and (cause.__cause__ or cause.__context__):
            cause = cause.__cause__ or cause.__context__  # what stopped the import of a module
        reason = f'{type(cause).__name__}: {one_line(cause)}'
        line = f' (line {cause.lineno})' if isinstance(cause, SyntaxError) else ''
        raise InputError(f'{path}: {reason}{line}') from error


def add_output_stride(parser: argparse.ArgumentParser) -> None:
    """Add ``--output-stride``, which ``load_config`` obeys."""
    parser.add_argument(
        '--output-stride',
        type=whole_number(1),
        help="run the config's network at output stride 8, 16 or 32, with the same weights",
    )


def set_output_stride(config: Config, output_stride: int) -> None:
    """Change the output stride of the network in a config, in place; weights fit both.

    The rates of the head are scaled with the map, so that they reach as far in the image as before:
    by its own ``output_stride``, or else the rates themselves. So is ``image_pool_size``, a size of
    the map: as in the authors' code it stands for the same part of the image, 33 at output stride
    16 and 65 at 8 for crops of 513. Auxiliary heads, which only train, stay.

    Args:
        config: Config of a segmentor whose backbone takes ``output_stride`` and whose decode head
            takes ``output_stride``, ``atrous_rates`` or ``atrous_rate``.
        output_stride: 8, 16 or 32.

    Raises:
        InputError: If it is none of the three, or a part cannot follow.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise InputError(f'output_stride must be one of {OUTPUT_STRIDES}, got {output_stride}')
    backbone, head, neck = (config.model.get(name) for name in ('backbone', 'decode_head', 'neck'))
    old = argument(backbone, 'output_stride')
    if old is None:
        raise InputError(f'backbone {backbone.type} has no output_stride to set')
    if neck:
        raise InputError(f'output_stride cannot be set: neck {neck.type} does not follow')
    where = f'{head.type} cannot follow from output stride {old} to {output_stride}'

    def scaled(rate: int) -> int:
        if rate * old % output_stride:
            raise InputError(f'{where}: its rate {rate} would not be whole')
        return rate * old // output_stride

    if (of_head := argument(head, 'output_stride')) is not None:
        # not always the backbone's: the rates may be meant for another one
        if of_head * output_stride // old not in OUTPUT_STRIDES:
            raise InputError(f'{where}: its own is {of_head}, and {OUTPUT_STRIDES} are allowed')
        head.output_stride = of_head * output_stride // old
    elif (rates := argument(head, 'atrous_rates')) is not None:
        head.atrous_rates = [scaled(rate) for rate in rates]
    elif (rate := argument(head, 'atrous_rate')) is not None:
        head.atrous_rate = scaled(rate)
    else:
        raise InputError(f'{where}: it has no output_stride, atrous_rates or atrous_rate')
    if pool_size := argument(head, 'image_pool_size'):
        excess = 1 if argument(head, 'align_corners') else 0  # sides of maps are k + 1 then
        pool_size = [(side - excess) * old // output_stride + excess for side in pool_size]
        head.image_pool_size = pool_size
    backbone.output_stride = output_stride


def argument(part: ConfigDict, name: str, registry: Registry = MODELS) -> object:
    """The value that a part gets for an argument; ``None`` if it takes none.

    Its class's default counts, or that of a base to which it passes on.
    """
    if name in part:
        return part[name]
    kind = part['type']
    for base in getattr(registry.get(kind) if isinstance(kind, str) else kind, '__mro__', ()):
        parameters = inspect.signature(base.__init__).parameters
        if name in parameters:
            return parameters[name].default
    return None


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


def load_runner_config(args: argparse.Namespace) -> Config:
    """``load_config`` with the launcher, the work dir and the randomness that the runner needs.

    ``SegRunner`` will run it unless the config names another one.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    config = load_config(args)
    config.setdefault('runner_type', SegRunner.__name__)
    config.launcher = args.launcher
    if args.deterministic:
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')  # read when cuBLAS starts
        randomness = config.get('randomness', {})
        seed = randomness.get('seed') or 0
        config.randomness = {**randomness, 'seed': seed, 'deterministic': True}
    default = Path('work_dirs', Path(args.config).stem)
    config.work_dir = args.work_dir or config.get('work_dir') or str(default)
    init_default_scope(config.get('default_scope', 'mmseg'))
    return config


def network_of(runner: Runner) -> nn.Module:
    """The runner's network without its wrapper for several processes."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
