"""Rules for what torch may call while it reads a checkpoint, and with which arguments."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

TEXT = 64  # bytes of a text that count as one more value
MOST = 2**63  # of a number as a key
SEQUENCES = ('list', 'tuple', 'set')
Rule = Callable[[Any], bool]  # of the arguments of a call, or of a state


class Node:
    """Placeholder for a value of a pickle; numbers and texts are kept as they are.

    Attributes:
        kind: A container; ``global`` for a name; ``storage``; else the name that was called.
        items: Of a container, keys and values in turn of a dict; the global's name; bytes of a
            storage and of a number in it.
        weight: Number of values in it; a value counts once for each use.
        depth: Depth of nested containers, this one included.
    """

    __slots__ = ('depth', 'items', 'kind', 'weight')

    def __init__(self, kind: str, items: Any = ()) -> None:
        self.kind, self.items = kind, items
        self.weight, self.depth = 1, 1


def weight(value: object) -> int:
    """How many values there are in one."""
    if isinstance(value, Node):
        return value.weight
    return 1 + len(value) // TEXT if isinstance(value, bytes) else 1


def shown(name: str) -> str:
    """A name in a file, for a message."""
    name = name.removeprefix('builtins.')
    return name if name.isprintable() and len(name) <= 100 else repr(name[:100])


def is_key(value: object) -> bool:
    """Whether a value is hashed at once: not tuples in each other, nor numbers of equal hashes."""
    return not isinstance(value, Node) and (type(value) is not int or -MOST < value < MOST)


def is_in_storage(storage: Node, offset: int, size: Node, stride: Node, *others: Any) -> bool:
    """Whether a tensor lies inside its storage; otherwise torch would allocate a larger one."""
    length, element_size = storage.items
    if len(others) > 2 and is_global(others[2]):  # of ``_rebuild_tensor_v3``
        element_size = vars(torch)[others[2].items.removeprefix('torch.')].itemsize
    steps = [*zip(size.items, stride.items, strict=True)]
    last = offset + sum((count - 1) * step for count, step in steps)
    is_counted = all(type(number) is int and number >= 0 for pair in steps for number in pair)
    is_inside = 0 in size.items or (last + 1) * element_size <= length
    return storage.kind == 'storage' and is_counted and offset >= 0 and is_inside


def is_global(value: object) -> bool:
    """Whether a value is a name of a module's."""
    return isinstance(value, Node) and value.kind == 'global'


def is_of_pairs(items: Sequence[Any]) -> bool:
    """Whether the arguments of a dict are none, or pairs whose keys are texts or numbers."""
    pairs = items[0].items if items else []
    return all(len(pair.items) == 2 and is_key(pair.items[0]) for pair in pairs)


def anything(_: Sequence[Any]) -> bool:
    """Allow any arguments: for functions whose results are small."""
    return True


TENSORS: dict[str, Rule] = {  # what makes a dense tensor -> whether its arguments are sound
    **{
        f'torch._utils._rebuild_tensor{version}': lambda items: is_in_storage(*items)
        for version in ('', '_v2', '_v3')
    },
    **{
        f'torch.{name}': lambda items: items[0].kind in TENSORS
        for name in (
            'nn.parameter.Parameter',
            '_utils._rebuild_parameter',
            '_utils._rebuild_parameter_with_state',
        )
    },
}
CALLS: dict[str, Rule] = {  # what torch may call -> whether its arguments are as torch.save's
    **TENSORS,
    'collections.OrderedDict': is_of_pairs,
    'collections.Counter': lambda items: all(item.kind == 'dict' for item in items),
    'builtins.set': lambda items: items[0].kind in SEQUENCES and all(map(is_key, items[0].items)),
    'builtins.bytearray': lambda items: items[0].kind == '_codecs.encode',
    '_codecs.encode': lambda items: isinstance(items[0], bytes) and items[1] == b'latin1',
    'numpy.ndarray': lambda _: False,
    'numpy._core.multiarray._reconstruct': lambda items: (
        items[0].items == 'numpy.ndarray' and items[1].items == (0,)
    ),
    'mmengine.logging.history_buffer.HistoryBuffer': lambda items: not items,
    **dict.fromkeys(
        ('torch.Size', 'torch.device', 'torch.serialization._get_layout', 'builtins.complex'),
        anything,
    ),
}
STATES: dict[str, Rule] = {  # what is made -> whether its state is as torch.save's
    'collections.OrderedDict': lambda state: state.kind == 'dict',
    'mmengine.logging.history_buffer.HistoryBuffer': lambda state: (
        state.kind == 'dict'
        and not any(isinstance(each, Node) and each.kind in SEQUENCES for each in state.items)
    ),
}
