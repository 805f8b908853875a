"""The configs of the repository, each read once for all tests."""

import os
import re
from copy import deepcopy
from functools import cache
from pathlib import Path

from mmengine.config import Config

CONFIGS = Path(__file__).parent.parent / 'configs'
CONFIG_FILES = sorted(path for path in CONFIGS.glob('*/*.py') if path.parent.name != '_base_')


def read(path: str | Path) -> Config:
    """A config, which the test may change; it is read again where the data folder is another."""
    return deepcopy(_read(Path(path), os.environ.get('MMSEG_EFF_DATA')))


@cache
def _read(path: Path, data: str | None) -> Config:
    return Config.fromfile(path)


def named(name: str) -> Config:
    """The config of a bare name."""
    return read(next(path for path in CONFIG_FILES if path.stem == name))


def expand(name: str) -> list[str]:
    """The names that a shell makes of one with braces, which are not nested."""
    if not (group := re.search(r'\{([^{}]*)\}', name)):
        return [name]
    parts = group[1].split(',')
    return [n for part in parts for n in expand(name[: group.start()] + part + name[group.end() :])]
