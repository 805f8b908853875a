"""Convert the weights of a paper's authors into a checkpoint for our configs."""

import argparse
from pathlib import Path

from ..converters import CONVERTERS, load_checkpoint, save_checkpoint, zero_denormals
from ..converters.checkpoint import sha256_of
from ..errors import InputError
from .cli import tool


def convert(name: str, source: str | Path, target: str | Path) -> dict:
    """Convert ``source`` and write it to ``target``.

    Args:
        name: Key of ``CONVERTERS``.
        source: File of the authors.
        target: Checkpoint to write.

    Returns:
        The ``meta`` written: ``dataset_meta``, ``preprocessing``, ``model`` and ``source``.

    Raises:
        InputError: If ``source`` is damaged or another network's; nothing is written then.
    """
    state_dict = load_checkpoint(source)['state_dict']
    try:
        converted, meta = CONVERTERS[name](state_dict)
    except InputError as error:
        raise InputError(f'{source}: {error}') from error
    meta['source'] = dict(file=Path(source).name, sha256=sha256_of(source), converter=name)
    meta['zeroed_denormals'] = zero_denormals(converted)
    save_checkpoint(dict(meta=meta, state_dict=converted), target)
    return meta


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/convert_weights.py`` and convert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('network', choices=sorted(CONVERTERS), help='whose weights they are')
    parser.add_argument('source', help="the authors' file")
    parser.add_argument('target', help='checkpoint to write')
    args = parser.parse_args(argv)
    meta = convert(args.network, args.source, args.target)
    model = ', '.join(f'{key}={value}' for key, value in meta['model'].items())
    print(f'{args.target}: {model}; {meta["zeroed_denormals"]} denormal values set to zero')
