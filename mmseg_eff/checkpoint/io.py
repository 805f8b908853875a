"""Read and write checkpoints in mmengine's layout: safe reading, no denormals, atomic writes.

``use_for_mmengine`` makes mmengine read its checkpoints in the same way.
"""

import functools
import re
from collections.abc import Callable, Container, Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlparse

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from ..errors import InputError
from ..utils.atomic_io import replacing
from .foreign import (
    COMPILED,
    PREFIXES,
    WRAPPERS,
    beginnings,
    find_weights,
    inner_networks,
    plain_names,
)
from .safe_reading import read_checkpoint, sound_copy
from .safetensors import SUFFIX, write_safetensors

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
LONGEST_NAME = 1000  # characters of a tensor's name
KEPT: dict[str, object] = {}  # read by a check under a name, for mmengine's next reading of it
TINY = 1e-15  # well below anything that moves a float32 logit, far above the denormals


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


def read_for_mmengine(filename: str, map_location: str | torch.device | None = None) -> object:
    """``read_checkpoint`` for mmengine's ``load_from``, ``resume`` and ``Pretrained``.

    Its own reader runs code from the internet, and the fork's from any file.

    Args:
        filename: File, or URL of one; downloads are kept where torch keeps its own.
        map_location: Device of the tensors; the CPU by default.
    """
    path = Path(filename).expanduser()
    if filename.startswith(('http://', 'https://')):
        path = Path(torch.hub.get_dir(), 'checkpoints', Path(urlparse(filename).path).name)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(filename, str(path))
    return read_checkpoint(path, map_location or 'cpu')


def check_for_mmengine(checkpoint: object, source: str) -> object:
    """Adapt a checkpoint to mmengine, whatever it was read from.

    Weights that another program keeps under another key are added as ``state_dict``, and the prefix
    ``_orig_mod.`` is removed from names.

    Raises:
        InputError: If there are no tensors by name.
    """
    if isinstance(checkpoint, Tensor):  # of class embeddings
        return checkpoint
    if not isinstance(checkpoint, dict):
        raise InputError(f'{source}: holds {type(checkpoint).__name__}; expected tensors by name')
    with suppress(InputError):  # of several networks: the caller knows which
        weights = find_weights(checkpoint)
        if isinstance(weights, MutableMapping) and any(COMPILED in name for name in weights):
            renamed = plain_names(weights, WRAPPERS)
            weights.clear()  # in place: mmengine needs the versions of modules that it carries
            weights.update(renamed)
        if weights and weights is not checkpoint:
            checkpoint.setdefault('state_dict', weights)
    names = checkpoint.get('state_dict', checkpoint)
    if not isinstance(names, dict) or not all(map(is_name, names)):
        raise InputError(f'{source}: holds no state dict; expected tensors by name')
    return checkpoint


def is_name(key: object) -> bool:
    """Whether a key can name a tensor."""
    return isinstance(key, str) and key.isprintable() and len(key) <= LONGEST_NAME


def guard(original: Callable) -> classmethod:
    """mmengine's ``CheckpointLoader.load_checkpoint``; what is read or in ``KEPT`` is checked."""

    @functools.wraps(original)
    def load_checkpoint(
        cls: type[CheckpointLoader], filename: str, *args: object, **kwargs: object
    ) -> object:
        content = KEPT.pop(filename, None) or original(cls, filename, *args, **kwargs)
        if cls._get_checkpoint_loader(filename) is not read_for_mmengine:
            content = sound_copy(content, filename)
        return check_for_mmengine(content, filename)

    return classmethod(load_checkpoint)


def use_for_mmengine() -> None:
    """Make mmengine read checkpoints by this module in this process, wherever it loads one.

    Local files and downloads are read by ``read_for_mmengine``. Checkpoints of other schemes, such
    as ``s3://``, are copied as plain values and checked after mmengine has read them.
    """
    register = CheckpointLoader.register_scheme(prefixes=['', 'http://', 'https://'], force=True)
    register(read_for_mmengine)
    if not hasattr(CheckpointLoader.load_checkpoint, '__wrapped__'):
        CheckpointLoader.load_checkpoint = guard(CheckpointLoader.load_checkpoint.__func__)


def load_checkpoint(
    path: str | Path,
    key: str | None = None,
    *,
    prefixes: Sequence[str] = PREFIXES,
    wanted: Container[str] = (),
) -> dict:
    """Read the weights of a checkpoint or of a bare state dict, on the CPU, and check them.

    Those of other programs are found under their usual keys, and prefixes that all names have are
    taken off, such as ``module.`` of networks saved inside ``DataParallel``.

    Args:
        path: The file.
        key: Where the weights are in it, such as ``'state_dict_ema'``; see ``find_weights``.
        prefixes, wanted: See ``plain_names``.

    Returns:
        A dict with ``state_dict`` and ``meta`` (empty for a bare state dict).

    Raises:
        InputError: If the file cannot be read, or a weight in it is no dense tensor of finite
            numbers.
    """
    return checked_weights(read_checkpoint(path), path, key, prefixes, wanted)


def checked_weights(
    checkpoint: object,
    path: str | Path,
    key: str | None = None,
    prefixes: Sequence[str] = PREFIXES,
    wanted: Container[str] = (),
) -> dict:
    """``load_checkpoint`` of what ``read_checkpoint`` found in ``path``."""
    try:
        state_dict = find_weights(checkpoint, key)
    except InputError as error:
        raise InputError(f'{path}: {error}') from error
    if not state_dict or not all(map(is_name, state_dict)):
        raise InputError(f'{path}: holds no state dict; expected tensors by name')
    for name, value in state_dict.items():
        if reason := defect(value):
            raise InputError(f'{path}: {name} {reason}')
    meta: object = {}
    if isinstance(checkpoint, Mapping) and state_dict is not checkpoint:
        meta = checkpoint.get('meta', {})
    if not isinstance(meta, dict):
        raise InputError(f'{path}: meta is {type(meta).__name__}; expected a dict')
    weights = {name: value.detach() for name, value in state_dict.items()}
    return dict(state_dict=plain_names(weights, prefixes, wanted), meta=meta)


def defect(value: object) -> str:
    """Why a value of a state dict is no weight; empty if it is one."""
    if not isinstance(value, Tensor):
        return f'is {type(value).__name__}; expected a tensor'
    kind = 'a meta tensor' if value.is_meta else f'{value.layout} {value.dtype}'
    if value.is_meta or value.layout != torch.strided or value.dtype not in FLOATS + INTEGERS:
        return f'is {kind}; expected a dense tensor of real numbers'
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f'has shape {tuple(value.shape)}, more than the values that are stored'
    if value.dtype in FLOATS and not (finite := value.isfinite()).all():
        return f'has {int((~finite).sum())} of {value.numel()} values that are NaN or infinite'
    return ''


def save_checkpoint(checkpoint: dict, path: str | Path) -> None:
    """Write a checkpoint (an atomic write).

    Args:
        checkpoint: ``state_dict``, ``meta`` and, not for safetensors, whatever torch can save.
        path: File to write; the suffix ``.safetensors`` asks for that format.

    Raises:
        OutputError: If the file cannot be written; an older one stays as it is.
    """
    path = Path(path)
    with replacing(path) as temporary:
        if path.suffix == SUFFIX:
            write_safetensors(checkpoint, temporary)
        else:
            with temporary.open('wb') as file:  # whose errors have a reason, unlike torch's own
                torch.save(checkpoint, file)


def rename(key: str, renames: Iterable[tuple[str, str | Callable[[re.Match], str]]]) -> str:
    """Apply regular expressions and their replacements to a parameter's name, one by one."""
    for pattern, replacement in renames:
        key = re.sub(pattern, replacement, key)
    return key


def mismatch(model: nn.Module, state_dict: Mapping[str, Tensor]) -> str:
    """Why ``state_dict`` does not load into ``model``, in one line; empty if it does."""
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
    checkpoint = load_checkpoint(path, wanted=model.state_dict().keys())
    weights = checkpoint['state_dict']
    reason = mismatch(model, weights)
    if reason:
        parts = inner_networks(weights, PREFIXES)
        weights = next((part for part in parts if not mismatch(model, part)), None)
    if weights is None:
        begin = beginnings(checkpoint['state_dict'])
        raise InputError(
            f"{path}: does not fit the config's network: {reason}; {begin}{'; ' if begin else ''}"
            'official files are converted by tools/convert_weights.py first'
        )
    zero_denormals(weights)
    model.load_state_dict(weights)
    return checkpoint['meta']
