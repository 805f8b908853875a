"""Cache of published weights: fetched once, converted once, used without a network afterwards."""

import os
from pathlib import Path

from mmengine.runner.checkpoint import CheckpointLoader
from platformdirs import user_cache_path

from ..checkpoint.io import read_for_mmengine
from ..errors import InputError
from ..utils.names import HUB
from .download import fault, fetch
from .index import Weights, find, published

VARIABLE = 'MMSEG_EFF_CACHE'
PACKAGE = 'package:'  # a URL's beginning: the file is beside this module
LAYOUT = 1  # of converted files: raise it when a converter writes another one


def cache_folder() -> Path:
    """The folder that ``MMSEG_EFF_CACHE`` names, or one below the user's cache folder."""
    return Path(os.environ.get(VARIABLE) or user_cache_path('mmseg_eff'))


def shipped_path(weights: Weights) -> Path | None:
    """Where the package itself has a checkpoint; ``None`` for files that are fetched."""
    if not weights.url.startswith(PACKAGE):
        return None
    return Path(__file__).parent / weights.url.removeprefix(PACKAGE)


def original_path(name: str) -> Path:
    """Where the cache keeps the authors' file, whether or not it is there yet."""
    return cache_folder() / 'originals' / find(name).file


def converted_path(name: str) -> Path:
    """Where the cache keeps the checkpoint for our configs, whether or not it is there yet."""
    return cache_folder() / 'converted' / f'{find(name).name}-{LAYOUT}.safetensors'


def weights_at(path: str | Path) -> Weights | None:
    """The published weights whose checkpoint a path is, as ``get`` gives it, if it is one."""
    path = Path(path).absolute()
    for name, weights in published().items():
        if path == (shipped_path(weights) or converted_path(name)).absolute():
            return weights
    return None


def get(name: str) -> Path:
    """Path of the checkpoint of a name: fetched, checked and converted on first use.

    A network that the package brings is checked and used where it is.

    Args:
        name: Name in the index, with or without ``hub:``.

    Raises:
        InputError: If there are no such weights, or they cannot be fetched or are damaged.
    """
    weights, target = find(name), converted_path(name)
    if shipped := shipped_path(weights):
        if reason := fault(weights, shipped):
            raise InputError(f'{shipped}: is damaged, install mmseg_eff again: {reason}')
        return shipped
    if not target.is_file():
        from ..converters.convert import convert

        original = original_path(name)
        fetch(weights, original)
        assert weights.converter  # of all that are fetched
        convert(weights.converter, original, target, **weights.options)
    return target


def resolve(checkpoint: str) -> str:
    """A checkpoint's path as it is; for ``hub:NAME`` that of the weights of this name."""
    return str(get(checkpoint)) if checkpoint.startswith(HUB) else checkpoint


@CheckpointLoader.register_scheme(prefixes=HUB, force=True)
def read_published(filename: str, map_location: str | None = None) -> object:
    """``hub:NAME`` in mmengine's ``load_from``, ``Pretrained`` and inferencers."""
    return read_for_mmengine(resolve(filename), map_location)
