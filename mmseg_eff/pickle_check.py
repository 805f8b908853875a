"""Follow the pickle of a checkpoint without building anything, and refuse one that is a trap.

torch's ``weights_only`` unpickler runs no code of a file, but builds whatever the file says: lists
in each other that become 2**30 numbers, texts encoded a million times, tensors larger than their
storage. Here only the sizes are followed, over the same operations.
"""

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch._utils import IMPORT_MAPPING, NAME_MAPPING
from torch.serialization import StorageType

from .archive import UnreadableError, is_archive, read_pickles

DEEPEST = 100  # containers in each other
VALUES = 500_000  # and one for every 8 bytes of the file, counted as often as they are met
TEXT = 64  # bytes of a text that count as one more value
LONGEST_NAME = 1000  # characters of a module's or function's name
PICKLES = 5  # one after the other in files of torch before 1.6; then follow the tensors
TAR = 257, b'ustar'  # where a tar file says that it is one
NUMBERS = {b'J': '<i', b'K': '<B', b'M': '<H', b'G': '>d'}  # opcodes and their formats
CONSTANTS = {b'N': None, b'\x88': True, b'\x89': False}
CONTAINERS = {b')': 'tuple', b']': 'list', b'}': 'dict', b'\x8f': 'set'}
PAIRS = {b'\x85': 1, b'\x86': 2, b'\x87': 3}  # tuples of the last one to three
GETS = {b'h': '<B', b'j': '<I'}
PUTS = {b'q': '<B', b'r': '<I'}
LENGTHS = {b'X': '<I', b'U': '<B', b'\x8a': '<B'}  # texts and long numbers


class Node:
    """What stands for a value that is not a number or a text, which are there themselves.

    Attributes:
        kind: A container; ``global`` for a name; ``storage``; else the name that was called.
        items: Of a list or tuple; the global's name; bytes of a storage and of a number in it.
        weight: Values in it, counted as often as they are met.
        depth: Containers in each other, this one included.
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


def check_content(path: Path) -> None:
    """Check the archive of a checkpoint, all of it, and its pickles; nothing is built.

    Raises:
        UnreadableError: If it is damaged, or a trap.
        Exception: Whatever damage leads to.
    """
    size = path.stat().st_size
    if is_archive(path):
        for data in read_pickles(path).values():
            PickleCheck(io.BytesIO(data), size).check_pickle()
        return
    with path.open('rb') as file:
        file.seek(TAR[0])
        if file.read(len(TAR[1])) == TAR[1]:
            raise UnreadableError("a .tar of torch's first years, which can hold code")
        file.seek(0)
        check = PickleCheck(file, size)
        for _ in range(PICKLES):
            check.check_pickle()


class PickleCheck:
    """Check of the pickles in a file, one after the other.

    Args:
        file: The pickles.
        size: Bytes of the whole checkpoint, with its tensors.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.limit = self.budget = VALUES + size // 8
        self.storages: dict[object, tuple[str, int]] = {}
        self.stored = 0  # bytes of them
        self.users = {
            name[1] if isinstance(name, tuple) else f'{name.__module__}.{name.__qualname__}'
            for name in torch.serialization.get_safe_globals()
        }

    def read(self, length: int) -> bytes:
        """The next bytes."""
        data = self.file.read(length) if length <= self.size else b''
        if len(data) < length:
            raise UnreadableError('damaged or cut off')
        return data

    def line(self) -> str:
        """The next line of text."""
        text = self.file.readline(LONGEST_NAME)
        if not text.endswith(b'\n'):
            raise UnreadableError('damaged or cut off')
        return text[:-1].decode()

    def number(self, form: str) -> Any:
        """The next number, of a format of ``struct``."""
        return struct.unpack(form, self.read(struct.calcsize(form)))[0]

    def spend(self, cost: int) -> None:
        """Take values that are built, or passed to a function, off the budget."""
        self.budget -= cost
        if self.budget < 0:
            raise UnreadableError(f'its {self.size} bytes stand for more than {self.limit} values')

    def add(self, owner: Node, values: Sequence[object]) -> Node:
        """Put values into a container."""
        for value in values:
            owner.weight += weight(value)
            if isinstance(value, Node):
                owner.depth = max(owner.depth, value.depth + 1)
        if owner.depth > DEEPEST:
            raise UnreadableError(f'more than {DEEPEST} lists or dicts in each other')
        if owner.weight > self.limit:
            self.spend(owner.weight)
        if owner.kind in ('list', 'tuple'):
            owner.items += type(owner.items)(values)
        return owner

    def set_items(self, owner: Node, values: Sequence[object]) -> None:
        """Put keys and values into a dict; hashing tuples in each other could take for ever."""
        if any(isinstance(key, Node) for key in values[::2]):
            raise UnreadableError('a key that is neither a text nor a number')
        self.add(owner, values)

    def check_pickle(self) -> None:
        """Follow one pickle to its end.

        Raises:
            UnreadableError: If it is none of ``torch.save``, or a trap.
            Exception: Whatever a damaged one leads to.
        """
        stack: list[Any] = []
        marks: list[list] = []
        memo: dict[int, Any] = {}
        read = self.file.read
        while True:
            code = read(1)
            self.budget -= 1
            if self.budget < 0:
                self.spend(0)
            if code in GETS:
                stack.append(memo[self.number(GETS[code])])
            elif code in PUTS:
                memo[self.number(PUTS[code])] = stack[-1]
            elif code in NUMBERS:
                stack.append(self.number(NUMBERS[code]))
            elif code in CONSTANTS:
                stack.append(CONSTANTS[code])
            elif code in LENGTHS:
                text = self.read(self.number(LENGTHS[code]))
                is_long = code == b'\x8a'
                stack.append(int.from_bytes(text, 'little', signed=True) if is_long else text)
            elif code in CONTAINERS:
                kind = CONTAINERS[code]
                stack.append(Node(kind, [] if kind == 'list' else ()))
            elif code in PAIRS:
                parts = [stack[-1 - index] for index in reversed(range(PAIRS[code]))]
                stack[-PAIRS[code] :] = [self.add(Node('tuple'), parts)]
            elif code == b'(':
                marks.append(stack)
                stack = []
            elif code in b'teu':
                parts, stack = stack, marks.pop()
                if code == b't':
                    stack.append(self.add(Node('tuple'), parts))
                elif code == b'e':
                    self.add(stack[-1], parts)
                else:
                    self.set_items(stack[-1], parts)
            elif code == b'a':
                self.add(stack[-2], [stack.pop()])
            elif code == b's':
                *_, owner, key, value = stack
                del stack[-2:]
                self.set_items(owner, [key, value])
            elif code == b'c':
                module, name = self.line(), self.line()
                module, name = NAME_MAPPING.get(
                    (module, name), (IMPORT_MAPPING.get(module, module), name)
                )
                stack.append(Node('global', f'{module}.{name}'))
            elif code == b'Q':
                stack.append(self.storage(stack.pop()))
            elif code in b'R\x81':
                arguments = stack.pop()
                stack.append(self.call(stack.pop(), arguments))
            elif code == b'b':
                state = stack.pop()
                self.build(stack[-1], state)
            elif code == b'\x80':
                self.read(1)
            elif code == b'.':
                stack.pop()
                return
            else:
                raise UnreadableError('damaged, or not written by torch.save')

    def storage(self, key: Node) -> Node:
        """A storage of a tensor, by what identifies it."""
        _, kind, name, _, length, *view = key.items
        kind_name = kind.items.rpartition('.')[2]
        element_size = 1 if kind_name == 'UntypedStorage' else StorageType(kind_name).dtype.itemsize
        if name not in self.storages:
            self.stored += length * element_size
            self.storages[name] = kind.items, length
        begin, part = view[0].items[1:] if view and view[0] is not None else (0, length)
        is_inside = 0 <= begin <= begin + part <= length
        if self.storages[name] != (kind.items, length) or not is_inside:
            raise UnreadableError(f'it takes storage {name!r} for another than it is')
        if self.stored > self.size:
            raise UnreadableError(f'its tensors need {self.stored} bytes of {self.size}')
        return Node('storage', (part * element_size, element_size))

    def call(self, function: Node, arguments: Node) -> Node:
        """The result of a function that torch would call."""
        if function.kind != 'global' or arguments.kind != 'tuple':
            raise UnreadableError('loading it would run a function')
        name, items = function.items, arguments.items
        self.spend(arguments.weight)
        if name == 'torch._tensor._rebuild_from_type_v2' and items[0].kind == 'global':
            if items[0].items not in TENSORS:
                raise UnreadableError(f'loading it would run {shown(items[0].items)}')
            return self.call(items[0], items[2])
        if name in CALLS and not CALLS[name](items):
            raise UnreadableError(f'it calls {name} otherwise than torch.save does')
        if name not in CALLS and name.startswith('torch.'):
            raise UnreadableError(f'it needs {shown(name)}, for other than dense tensors')
        if name not in CALLS and name not in self.users:
            raise UnreadableError(f'loading it would run {shown(name)}')
        return Node(name)

    def build(self, owner: Node, state: object) -> None:
        """Give an object its state; to tensors, torch gives none since version 0.4."""
        if owner.kind != 'collections.OrderedDict' and owner.kind not in self.users:
            raise UnreadableError(f'it builds {shown(owner.kind)} otherwise than torch.save does')
        self.spend(weight(state))


def shown(name: str) -> str:
    """A name in a file, for a message."""
    name = name.removeprefix('builtins.')
    return name if name.isprintable() and len(name) <= 100 else repr(name[:100])


def is_in_storage(storage: Node, offset: int, size: Node, stride: Node, *others: Any) -> bool:
    """Whether a tensor lies inside its storage, which torch would make larger otherwise."""
    length, element_size = storage.items
    of_type = next((arg.items for arg in others[2:3] if is_global(arg)), None)
    if of_type:  # of ``_rebuild_tensor_v3``
        element_size = getattr(torch, of_type.rpartition('.')[2]).itemsize
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
    return all(len(pair.items) == 2 and not isinstance(pair.items[0], Node) for pair in pairs)


def anything(_: Sequence[Any]) -> bool:
    """For functions that take little and make little."""
    return True


TENSORS = {  # what makes a dense tensor -> whether its arguments are sound
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
CALLS = TENSORS | {  # what else torch may call -> whether its arguments are as torch.save's
    'collections.OrderedDict': is_of_pairs,
    'collections.Counter': lambda items: all(item.kind == 'dict' for item in items),
    'builtins.set': lambda items: not any(isinstance(key, Node) for key in items[0].items),
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
