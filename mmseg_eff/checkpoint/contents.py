"""Copy the content of a checkpoint as plain values, and check its metadata."""

import operator
from collections import OrderedDict
from types import UnionType
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor

from .archive import UnreadableError
from .pickle_check import DEEPEST, VALUES
from .pickle_rules import TEXT

EVALUATED = ('cfg', 'config')  # mmengine runs these texts as Python
EVALUATED_IN = ('meta', 'runtime_info')  # in these dicts; it fails there on other values
SHARED = 16  # tensors that may use one byte of a file, on average, such as tied weights
MOST_AXES = 64  # of a tensor that torch computes with
SMALL = 1 << 20  # bytes that any file may hold
HISTORY = ('_log_history', '_count_history', 'max_length')
MOST_CLASSES = 30_000
LONGEST_NAME = 500  # characters of a class name


class Reader:
    """Copy values of a few kinds and their containers, within bounds on their number and depth.

    Args:
        size: Bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self.values = VALUES + size // 8
        self.bytes = SMALL + SHARED * size

    def copy(self, value: object, name: str = '', depth: int = 0) -> object:
        """A value without texts to evaluate, and without attributes that a file gives objects.

        Args:
            value: Of the file.
            name: Where it is, for messages.
            depth: How many containers it is in.

        Raises:
            UnreadableError: If it is too large or deep, or of a kind that no program reads.
        """
        self.values -= 1 + len(value) // TEXT if isinstance(value, str | bytes) else 1
        if self.values < 0:
            raise UnreadableError('holds more values than its size accounts for')
        if depth > DEEPEST:
            raise UnreadableError(f'holds more than {DEEPEST} lists or dicts in each other')
        if type(value) is list or type(value) is tuple:
            items = [self.copy(item, name, depth + 1) for item in value]
            return items if type(value) is list else tuple(items)
        if isinstance(value, dict):
            return self.copy_dict(value, name, depth)
        if isinstance(value, Tensor):
            return self.copy_tensor(value, name)
        if isinstance(value, HistoryBuffer):
            return self.copy_history(value, name)
        if isinstance(value, np.ndarray):
            self.count_bytes(value.nbytes)
        return value

    def count_bytes(self, number: int) -> None:
        """Subtract the bytes of a tensor or array from what is left; tensors may share them."""
        self.bytes -= number
        if self.bytes < 0:
            raise UnreadableError(f'uses the bytes of its tensors more than {SHARED} times')

    def copy_tensor(self, value: Tensor, name: str) -> Tensor:
        """The same tensor without attributes."""
        if value.layout != torch.strided or value.is_meta or value.is_nested:
            raise UnreadableError(f'{shown_name(name)} is no dense tensor')
        number = value.numel() * value.element_size()
        if number > value.untyped_storage().nbytes():
            shape = tuple(value.shape)
            raise UnreadableError(
                f'{shown_name(name)} has shape {shape}, more than the values that are stored'
            )
        if value.ndim > MOST_AXES:
            raise UnreadableError(
                f'{shown_name(name)} has {value.ndim} axes; allowed are {MOST_AXES}'
            )
        self.count_bytes(number)
        return Tensor.detach(value)

    def copy_dict(self, value: dict, name: str, depth: int) -> dict:
        """A dict, or an ordered one with the versions of modules that torch puts there."""
        copied: dict[Any, Any] = OrderedDict() if isinstance(value, OrderedDict) else {}
        for key, item in dict.items(value):
            if not isinstance(key, str | bytes | int | float | None):
                raise UnreadableError(f'a key is {type(key).__name__}; expected a text or a number')
            is_text = isinstance(item, str | bytes)
            if key not in EVALUATED or not (is_text or name in EVALUATED_IN):
                copied[key] = self.copy(item, str(key), depth + 1)
        versions = getattr(value, '__dict__', {}).get('_metadata')
        if isinstance(versions, dict):
            self.copy(versions, '_metadata', depth + 1)
            vars(copied)['_metadata'] = OrderedDict(
                (module, each)
                for module, each in versions.items()
                if isinstance(each, dict) and isinstance(each.get('version'), int)
            )
        return copied

    def copy_history(self, value: HistoryBuffer, name: str) -> HistoryBuffer:
        """mmengine's history of a loss or score."""
        logs, counts, longest = (value.__dict__.get(key) for key in HISTORY)
        are_arrays = all(isinstance(part, np.ndarray) and part.ndim == 1 for part in (logs, counts))
        if not are_arrays or not isinstance(longest, int):
            raise UnreadableError(f'{shown_name(name)} is no history of numbers')
        if not len(logs) == len(counts) <= longest:
            raise UnreadableError(
                f'{shown_name(name)} has {len(logs)} values and {len(counts)} counts'
            )
        self.count_bytes(logs.nbytes + counts.nbytes)  # which are copied
        return HistoryBuffer(logs, counts, longest)


def check_metadata(checkpoint: object) -> None:
    """Check the types of the metadata that programs read.

    Raises:
        UnreadableError: Names the value and what is allowed.
    """
    if not isinstance(checkpoint, dict):
        return
    meta = checkpoint.get('meta', {})
    if isinstance(meta, Tensor):  # of a bare state dict
        return
    expect(meta, dict, 'meta')
    for name in ('epoch', 'iter'):
        if name in meta:
            count = expect(meta[name], int | np.integer, f'meta.{name}')
            if isinstance(count, bool) or not 0 <= count < 2**53:
                raise UnreadableError(f'meta.{name} is {count}; expected a count')
    check_names(meta, 'CLASSES', 'PALETTE', 'meta')
    data = meta.get('dataset_meta')
    if data is not None:
        check_names(expect(data, dict, 'meta.dataset_meta'), 'classes', 'palette', 'dataset_meta')
    hub = checkpoint.get('message_hub')
    if hub is not None:
        for name in ('log_scalars', 'runtime_info', 'resumed_keys'):
            part = expect(hub, dict, 'message_hub').get(name, {})
            if not all(isinstance(key, str) for key in expect(part, dict, f'message_hub.{name}')):
                raise UnreadableError(f'message_hub.{name} has a key that is no text')


def expect(value: object, kind: type | UnionType, name: str) -> Any:
    """Check the type of a value."""
    if not isinstance(value, kind):
        expected = 'a dict' if kind is dict else 'an integer'
        raise UnreadableError(f'{name} is {type(value).__name__}; expected {expected}')
    return value


def check_names(data: dict, classes_key: str, palette_key: str, where: str) -> None:
    """Check names and colors of classes: strings, and three integers from 0 to 255 for each."""
    classes, palette = data.get(classes_key), data.get(palette_key)
    if classes is not None:
        if not isinstance(classes, list | tuple) or len(classes) > MOST_CLASSES:
            raise UnreadableError(
                f'{where}.{classes_key} is {type(classes).__name__}; expected a list of up to '
                f'{MOST_CLASSES} names'
            )
        for name in classes:
            if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
                raise UnreadableError(
                    f'{where}.{classes_key} holds {type(name).__name__}; expected names of up to '
                    f'{LONGEST_NAME} characters'
                )
            if not name.isprintable():
                raise UnreadableError(f'{where}.{classes_key} has the unprintable name {name!r}')
    if palette is not None:
        check_palette(palette, f'{where}.{palette_key}', len(classes or ()))


def check_palette(palette: object, name: str, num_classes: int) -> None:
    """Check the colors of classes; there may be none at all."""
    if isinstance(palette, Tensor | np.ndarray) and palette.shape[1:] == (3,):
        palette = palette[: MOST_CLASSES + 1].tolist()
    if not isinstance(palette, list | tuple) or len(palette) > MOST_CLASSES:
        raise UnreadableError(f'{name} is {type(palette).__name__}; expected a list of colors')
    for row in palette:
        try:
            values = [operator.index(value) for value in row] if len(row) == 3 else [-1]
        except TypeError:
            values = [-1]
        if not all(0 <= value <= 255 for value in values):
            raise UnreadableError(f'{name} holds {shown(row)}; expected 3 integers from 0 to 255')
    if 0 < len(palette) < num_classes:
        raise UnreadableError(f'{name} has {len(palette)} colors for {num_classes} classes')


def shown_name(name: str) -> str:
    """The name of a value in a file, for a message."""
    return name if name.isprintable() and len(name) <= LONGEST_NAME else repr(name[:LONGEST_NAME])


def shown(value: object) -> str:
    """A small value, or the type of a large one, for a message."""
    if not isinstance(value, list | tuple) or len(value) > 4:
        return type(value).__name__
    is_flat = all(isinstance(item, int | float) for item in value)
    return repr(value) if is_flat else type(value).__name__
