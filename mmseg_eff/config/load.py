"""Find a config, read it, override its settings and check them."""

from collections.abc import Mapping
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path

from mmengine.config import Config

from .. import compat
from ..errors import InputError
from ..safe_config.keys import Limits
from ..safe_config.reader import read_safe_config
from ..utils.user_errors import one_line
from .keys import check_keys, check_paths
from .output_stride import set_output_stride
from .types import check_types

SCOPES = ('mmseg_eff', 'mmseg')  # packages whose configs have bare names, the first one first


def load_config(
    source: str | Path,
    options: Mapping[str, object] | None = None,
    *,
    safe_config: bool = False,
    allow_download: bool = False,
    work_dir: str | Path | None = None,
    output_stride: int | None = None,
) -> Config:
    """Read a config, merge options and set the output stride asked for, if any.

    Args:
        source: See ``find_config``.
        options: Settings to override, by dotted key.
        safe_config: Read the config as data and run no Python in it.
        allow_download: With ``safe_config``: weights may be fetched from URLs in the config.
        work_dir: With ``safe_config``: the only folder that the config may write to; ``work_dirs``
            by default.
        output_stride: See ``set_output_stride``.

    Raises:
        InputError: If there is no such config or it cannot be read, or nothing reads an option.
            See also ``set_output_stride``.
    """
    path = find_config(source)
    if safe_config:
        config = read_safe_config(path, Limits(Path(work_dir or 'work_dirs'), allow_download))
    else:
        config = read_config(path)
    merge_options(config, options or {})
    try:
        check_types(config)
    except InputError as error:
        raise InputError(f'{source}: {error}') from error
    if output_stride is not None:
        set_output_stride(config, output_stride)
    return config


def as_config(source: str | Path | Config, options: Mapping[str, object] | None = None) -> Config:
    """A config that the caller may change: ``load_config``, or a copy of a config with options.

    Raises:
        InputError: See ``load_config``.
    """
    if isinstance(source, Config):
        config = deepcopy(source)
        merge_options(config, options or {})
        return config
    return load_config(source, options)


def merge_options(config: Config, options: Mapping[str, object]) -> None:
    """Override settings of a config, in place.

    Raises:
        InputError: If nothing reads an option.
    """
    if options:
        check_paths(config, options)
        before = config._cfg_dict
        config.merge_from_dict(dict(options))
        check_keys(before, config, options)


def find_config(source: str | Path) -> str:
    """The file of a config.

    Args:
        source: A file; ``mmseg_eff::espnet/….py`` or ``mmseg::….py``, a file among a package's
            configs; or the bare name of one of these configs, without folder and ``.py``, which
            ``MMSegInferencer`` accepts, too.

    Raises:
        InputError: If there is no such file.
    """
    name = str(source)
    if '::' in name:
        package, _, below = name.partition('::')
        name = str(Path(compat.get_installed_path(package), '.mim', 'configs', below))
    if Path(name).is_file():
        return name
    if Path(name).name != name or name.endswith('.py'):
        raise InputError(f'{source}: no such config file')
    known = {path.stem: path for scope in reversed(SCOPES) for path in shipped_configs(scope)}
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f'; did you mean {near[0]}?' if near else ''
        raise InputError(f'{source}: no such config file, and no config of this name{hint}')
    return str(known[name])


def shipped_configs(package: str) -> list[Path]:
    """The configs in a package that can be used as they are, sorted."""
    folder = Path(compat.get_installed_path(package), '.mim', 'configs')
    return sorted(path for path in folder.rglob('*.py') if '_base_' not in path.parts)


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
        while isinstance(cause, ImportError) and (below := cause.__cause__ or cause.__context__):
            cause = below  # what stopped the import of a module
        reason = f'{type(cause).__name__}: {one_line(cause)}'
        line = f' (line {cause.lineno})' if isinstance(cause, SyntaxError) else ''
        raise InputError(f'{path}: {reason}{line}') from error
