"""Find the config of published weights, and the published weights of a config."""

from difflib import get_close_matches
from pathlib import Path

from mmengine.config import Config

from .. import compat
from ..config.load import find_config
from ..errors import InputError
from ..hub import find, published, weights_of
from ..utils.names import HUB

SUGGESTED = 'camvid'  # to who names no network: the package brings it


def config_of(name: str | Path | Config) -> str | Path | Config:
    """The config that published weights load into, for their name; any other config as it is.

    Args:
        name: Config, its file or name, or the name of weights, with or without ``hub:``.

    Raises:
        InputError: If there are no such weights, or they are those of an encoder alone.
    """
    is_weights = isinstance(name, str) and (name.startswith(HUB) or name in published())
    if not isinstance(name, str) or not is_weights:
        return name
    weights = find(name)
    if weights.config is None:
        raise InputError(
            f'{name}: are the weights of an encoder alone; give a config and a checkpoint'
        )
    return f'mmseg_eff::{weights.config}.py'


def checkpoint_of(config: Config, source: object) -> str:
    """``hub:NAME`` of the published weights that load into a config; see ``weights_for``.

    Args:
        config: The config.
        source: What the user calls it.
    """
    called = 'the config' if isinstance(source, Config) else str(source)
    return weights_for(called, config.filename or '')


def weights_for(config: str, file: str | None = None) -> str:
    """``hub:NAME`` of the published weights that load into a config.

    Args:
        config: What the user calls it: its file or name.
        file: Its file, if known.

    Raises:
        InputError: If there is no such config, or none are published or several are; names those
            of similar configs.
    """
    folder = (compat.PACKAGE_ROOT / '.mim/configs').resolve()
    path = Path(find_config(config) if file is None else file).resolve()
    below = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else ''
    names = [f'{HUB}{weights.name}' for weights in weights_of(below)]
    if not names:
        near = [f'{HUB}{name}' for name in similar(path.stem)]
        hint = f'; similar configs have {", ".join(near)}' if near else ''
        raise InputError(
            f'{config}: no weights are published for this config; give a checkpoint ("mmseg-eff '
            f'weights list" shows what is published){hint}'
        )
    if len(names) > 1:
        raise InputError(f'{config}: give one of the checkpoints {", ".join(names)}')
    return names[0]


def similar(config: str) -> list[str]:
    """Names of the published weights of at most two configs that are called like one."""
    by_config = {Path(row.config).name: row.name for row in published().values() if row.config}
    return [by_config[name] for name in get_close_matches(config, by_config, 2)]
