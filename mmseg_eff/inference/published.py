"""Find the config of published weights, and the published weights of a config."""

from pathlib import Path

from mmengine.config import Config

from .. import compat
from ..errors import InputError
from ..hub import find, published, weights_of
from ..utils.names import HUB


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
    """``hub:NAME`` of the published weights that load into a config.

    Args:
        config: The config.
        source: What the user calls it.

    Raises:
        InputError: If none are published, or several are.
    """
    folder = (compat.PACKAGE_ROOT / '.mim/configs').resolve()
    path = Path(config.filename or '').resolve()
    below = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else ''
    names = [f'{HUB}{weights.name}' for weights in weights_of(below)]
    called = 'the config' if isinstance(source, Config) else source
    if not names:
        raise InputError(
            f'{called}: no weights are published for this config; give a checkpoint ("mmseg-eff '
            'weights list" shows what is published)'
        )
    if len(names) > 1:
        raise InputError(f'{called}: give one of the checkpoints {", ".join(names)}')
    return names[0]
