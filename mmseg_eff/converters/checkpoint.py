"""Checkpoints in mmengine's layout: read safely, cleaned of denormals, written whole or not."""

import hashlib
import pickle
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..compat import allow_checkpoint_globals
from ..errors import InputError
from ..files import replacing

TINY = 1e-15  # well below anything that moves a float32 logit, far above the denormals


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def zero_denormals(state_dict: Mapping[str, Tensor]) -> int:
    """Set every value below 1e-15 to zero, in place.

    Denormal weights slow a CPU down by more than ten times; the logits stay bit-identical.

    Returns:
        How many nonzero values were set to zero.
    """
    count = 0
    for tensor in state_dict.values():
        if tensor.is_floating_point():
            tiny = (tensor.abs() < TINY) & (tensor != 0)
            count += int(tiny.sum())
            tensor.masked_fill_(tiny, 0)
    return count


def load_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint or a bare state dict, on the CPU and without running any code in it.

    Returns:
        A dict with ``state_dict`` and ``meta`` (empty for a bare state dict).

    Raises:
        InputError: If the file is missing, damaged or not a checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f'{path}: no such checkpoint')
    allow_checkpoint_globals()  # again: the fork's own loading takes them off torch's list
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        code = re.search(r'GLOBAL (\S+)', str(error))
        reason = f'loading it would run {code[1]}' if code else 'damaged or cut off'
        raise InputError(
            f'{path}: not a readable checkpoint ({path.stat().st_size} bytes: {reason}); expected '
            'a complete .pth file of tensors'
        ) from error
    state_dict = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if not state_dict or not all(isinstance(value, Tensor) for value in state_dict.values()):
        raise InputError(f'{path}: holds no state dict; expected tensors by name')
    meta = checkpoint.get('meta', {}) if state_dict is not checkpoint else {}
    return dict(state_dict=dict(state_dict), meta=meta)


def save_checkpoint(checkpoint: dict, path: str | Path) -> None:
    """Write ``checkpoint`` to a temporary name beside ``path`` and rename it.

    Raises:
        InputError: If the file cannot be written; an older one stays as it is.
    """
    path = Path(path)
    try:
        with replacing(path) as temporary:
            torch.save(checkpoint, temporary)
    except OSError as error:
        raise InputError(f'{path}: cannot be written ({error.strerror})') from error


def rename(key: str, renames: Iterable[tuple[str, str | Callable[[re.Match], str]]]) -> str:
    """Apply regular expressions and their replacements to a parameter's name, one by one."""
    for pattern, replacement in renames:
        key = re.sub(pattern, replacement, key)
    return key


def mismatch(model: nn.Module, state_dict: Mapping[str, Tensor]) -> str:
    """What keeps ``state_dict`` from loading into ``model``, as one line; empty if nothing does."""
    wanted = model.state_dict()
    groups = {
        'missing': sorted(wanted.keys() - state_dict.keys()),
        'unexpected': sorted(state_dict.keys() - wanted.keys()),
        'other shape': [
            f'{name} {tuple(state_dict[name].shape)} for {tuple(wanted[name].shape)}'
            for name in wanted
            if name in state_dict and state_dict[name].shape != wanted[name].shape
        ],
    }
    return '; '.join(
        f'{len(names)} {group} (first: {names[0]})' for group, names in groups.items() if names
    )


def load_weights(model: nn.Module, path: str | Path) -> dict:
    """Load a checkpoint strictly and cleaned of denormals into ``model``.

    Returns:
        The checkpoint's ``meta``.

    Raises:
        InputError: If the file cannot be read or belongs to another network.
    """
    checkpoint = load_checkpoint(path)
    reason = mismatch(model, checkpoint['state_dict'])
    if reason:
        raise InputError(
            f"{path}: does not fit the config's network: {reason}; official files are converted by "
            'tools/convert_weights.py first'
        )
    zero_denormals(checkpoint['state_dict'])
    model.load_state_dict(checkpoint['state_dict'])
    return checkpoint['meta']
