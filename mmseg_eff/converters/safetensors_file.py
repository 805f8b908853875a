"""Weights in safetensors files: the tensors, and ``meta`` as JSON in the header."""

import json
from pathlib import Path

import safetensors.torch
import torch

from ..errors import InputError

SUFFIX = '.safetensors'


def read_safetensors(path: Path) -> dict:
    """Read ``state_dict`` and ``meta`` (empty if another program wrote the file).

    Raises:
        safetensors.SafetensorError: If the header does not describe the file.
        ValueError: If ``meta`` is no JSON.
    """
    with safetensors.safe_open(path, framework='pt') as file:
        meta = json.loads((file.metadata() or {}).get('meta', '{}'))
        state_dict = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return dict(state_dict=state_dict, meta=meta)


def write_safetensors(checkpoint: dict, path: Path) -> None:
    """Write ``state_dict`` and ``meta``, whose tuples become lists.

    Raises:
        InputError: If there is more in the checkpoint, or ``meta`` has no form in JSON.
    """
    if others := sorted(checkpoint.keys() - {'state_dict', 'meta'}):
        raise InputError(f'{SUFFIX} files hold state_dict and meta only, not {", ".join(others)}')
    try:
        meta = json.dumps(checkpoint['meta'])
    except TypeError as error:
        raise InputError(f'meta has no form in JSON, as {SUFFIX} files need: {error}') from error
    # Copies: the format takes neither views nor two names for one tensor.
    weights = {
        name: value.clone(memory_format=torch.contiguous_format)
        for name, value in checkpoint['state_dict'].items()
    }
    path.write_bytes(safetensors.torch.save(weights, dict(meta=meta)))
