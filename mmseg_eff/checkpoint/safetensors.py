"""Read and write weights as safetensors files, with ``meta`` as JSON in the header."""

import json
from pathlib import Path

import safetensors.torch
import torch

from ..errors import InputError
from . import UnreadableError

SUFFIX = '.safetensors'
LONGEST_HEADER = 10 << 20  # bytes, of about 100 000 tensors


def read_safetensors(path: Path) -> dict:
    """Read ``state_dict`` and ``meta`` (empty if another program wrote the file).

    The format has no checksums: its header must describe the file to the last byte.

    Raises:
        UnreadableError: If the header is too long, or names a tensor twice.
        safetensors.SafetensorError: If the header does not describe the file.
        ValueError: If the header or ``meta`` is no JSON.
    """
    with path.open('rb') as file:
        length = int.from_bytes(file.read(8), 'little')
        if length > LONGEST_HEADER:
            raise UnreadableError(f'header of {length} bytes; allowed are {LONGEST_HEADER}')
        json.loads(file.read(length), object_pairs_hook=check_names)
    with safetensors.safe_open(path, framework='pt') as file:
        meta = json.loads((file.metadata() or {}).get('meta', '{}'))
        state_dict = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return dict(state_dict=state_dict, meta=meta)


def check_names(pairs: list[tuple[str, object]]) -> None:
    """Refuse a JSON object that has two values of one name: readers differ in which they take."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise UnreadableError('two tensors of one name')


def write_safetensors(checkpoint: dict, path: Path) -> None:
    """Write ``state_dict`` and ``meta``, whose tuples become lists.

    Raises:
        InputError: If there is more in the checkpoint, or ``meta`` cannot be written as JSON.
    """
    if others := sorted(checkpoint.keys() - {'state_dict', 'meta'}):
        raise InputError(f'{SUFFIX} files hold state_dict and meta only, not {", ".join(others)}')
    try:
        meta = json.dumps(checkpoint['meta'])
    except TypeError as error:
        raise InputError(
            f'meta cannot be written as JSON, which {SUFFIX} files need: {error}'
        ) from error
    # Copies: the format takes neither views nor two names for one tensor.
    weights = {
        name: value.clone(memory_format=torch.contiguous_format)
        for name, value in checkpoint['state_dict'].items()
    }
    path.write_bytes(safetensors.torch.save(weights, dict(meta=meta)))
