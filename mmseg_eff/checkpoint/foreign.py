"""Find the weights in checkpoints of other programs, whatever their key and prefix."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from ..errors import InputError

KEYS = (  # of the weights, in this order
    *('state_dict', 'model_state_dict', 'model_state', 'model', 'net', 'network', 'net_state_dict'),
    *('module', 'weights', 'params'),
)
AVERAGED = ('ema', 'swa')  # parts of the keys of averaged weights, taken on request only
OTHERS = ('optim', 'sched', 'scaler', 'rng', 'message_hub')  # parts of keys of no weights
COMPILED = '_orig_mod.'  # of torch.compile, wherever a module was compiled
WRAPPERS = ('module.',)  # of DataParallel
PREFIXES = (  # of all names, where a program keeps the network in an attribute
    *WRAPPERS,
    *('model.', 'encoder.', 'timm_model.', 'backbone.timm_model.'),
)
DEPTH = 3  # of dicts in each other, and of the modules that hold a network
SHOWN = 5  # keys and prefixes in a message


def tensors_in(content: object, path: str = '', depth: int = DEPTH) -> dict[str, Mapping]:
    """The dicts of tensors in a checkpoint, by their keys joined with dots."""
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        return {}
    found: dict[str, Mapping] = {}
    for key, value in content.items():
        if depth and key.isprintable() and not any(part in key.lower() for part in OTHERS):
            found |= tensors_in(value, f'{path}.{key}' if path else key, depth - 1)
    is_state_dict = any(isinstance(value, Tensor) for value in content.values())
    return {path: content} if is_state_dict and not found else found


def is_averaged(path: str) -> bool:
    """Whether a key is that of averaged weights."""
    words = path.lower().replace('.', '_').split('_')
    return any(word in words for word in AVERAGED)


def find_weights(content: object, key: str | None = None) -> Mapping[str, Any]:
    """The state dict in what a file holds, unchecked; empty if there are no tensors at all.

    Args:
        content: Of the file: a state dict, or a dict that holds one under one of ``KEYS`` or under
            the only key with tensors.
        key: Where it is, such as ``'state_dict_ema'`` or ``'checkpoint.model'``.

    Raises:
        InputError: If it is not under ``key``, or several are and none of ``KEYS``.
    """
    if isinstance(content, Mapping) and not isinstance(content.get('state_dict', {}), Mapping):
        return {}
    found = tensors_in(content)
    if key is not None:
        if key in found:
            return found[key]
        raise InputError(f'holds no tensors under {key!r}, but under {shown(found)}')
    if '' in found:
        return found['']
    plain = [path for path in found if not is_averaged(path)]
    for name in KEYS:
        paths = sorted((path for path in plain if name in path.split('.')), key=len)
        if paths and (len(paths) == 1 or paths[0] == name):
            return found[paths[0]]
    if len(plain) == 1:
        return found[plain[0]]
    if found:
        raise InputError(f'holds tensors under {shown(found)}; choose one as the key')
    return {}


def averaged_keys(content: object) -> list[str]:
    """The keys of the averaged weights in a file."""
    return [path for path in tensors_in(content) if is_averaged(path)]


def shown(paths: Sequence[str] | Mapping[str, Any]) -> str:
    """A few keys for a message."""
    names = [repr(path) for path in paths]
    more = ', …' if len(names) > SHOWN else ''
    return ', '.join(names[:SHOWN]) + more if names else 'no other key'


def plain_names(
    state_dict: Mapping[str, Any],
    prefixes: Sequence[str] = PREFIXES,
    wanted: Container[str] = (),
) -> dict[str, Any]:
    """A state dict without the prefixes that all its names have.

    Args:
        state_dict: Values by name.
        prefixes: What may be taken off, in turn and repeatedly.
        wanted: Names of the network, where it is known; they stay as they are.
    """
    weights = dict(state_dict)
    while not any(name in wanted for name in weights):
        if any(COMPILED in name for name in weights):
            weights = {name.replace(COMPILED, ''): value for name, value in weights.items()}
        prefix = next((p for p in prefixes if all(name.startswith(p) for name in weights)), None)
        if prefix is None or not weights:
            break
        weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def inner_networks(
    state_dict: Mapping[str, Any], among: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The parts of a state dict that may be a network of their own: the tensors of each module.

    Modules are those of up to three names, the outer ones first; not the averaged ones.

    Args:
        state_dict: Values by name.
        among: Prefixes to look for; all by default.
    """
    for depth in range(1, DEPTH + 1):
        parts = ('.'.join(name.split('.')[:depth]) + '.' for name in state_dict)
        for prefix in dict.fromkeys(parts):
            inner = {
                name.removeprefix(prefix): value
                for name, value in state_dict.items()
                if name.startswith(prefix)
            }
            if inner and not is_averaged(prefix) and (among is None or prefix in among):
                yield inner


def beginnings(state_dict: Mapping[str, Any]) -> str:
    """How the names in a state dict begin, for a message."""
    first = dict.fromkeys(name.partition('.')[0] + '.' for name in state_dict if '.' in name)
    return f'its names begin with {", ".join(list(first)[:SHOWN])}' if first else ''
