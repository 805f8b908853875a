"""Check the pickle of a checkpoint for decompression bombs, without building anything.

torch's ``weights_only`` unpickler runs no code of a file, but builds whatever the file says: nested
lists that expand to 2**30 numbers, texts encoded a million times, tensors larger than their
storage. This check interprets the same opcodes and only adds up sizes.
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
from .pickle_rules import CALLS, STATES, TENSORS, Node, is_key, shown, weight

DEEPEST = 100  # containers in each other
VALUES = 250_000  # allowed, and one more for every 8 bytes of the file; each use counts
LONGEST_NAME = 1000  # characters of a module's or function's name
PICKLES = 5  # at the beginning of files of torch before 1.6; the tensors follow
TAR = 257, b'ustar'  # where a tar file says that it is one
INT, BYTE, SHORT, FLOAT = map(struct.Struct, ('<i', '<B', '<H', '>d'))
LENGTH = struct.Struct('<I')
NUMBERS = {b'J': INT, b'K': BYTE, b'M': SHORT, b'G': FLOAT}  # opcodes and how they are read
CONSTANTS = {b'N': None, b'\x88': True, b'\x89': False}
CONTAINERS = {b')': 'tuple', b']': 'list', b'}': 'dict', b'\x8f': 'set'}
PAIRS = {b'\x85': 1, b'\x86': 2, b'\x87': 3}  # tuples of the last one to three
GETS = {b'h': BYTE, b'j': LENGTH}
PUTS = {b'q': BYTE, b'r': LENGTH}
LENGTHS = {b'X': LENGTH, b'U': BYTE, b'\x8a': BYTE}  # texts and long numbers


def check_content(path: Path) -> None:
    """Check the archive of a checkpoint and its pickles; nothing is built.

    Raises:
        UnreadableError: If it is damaged, would run code, or holds more than its size allows.
        Exception: Any other, for a damaged file.
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
    """Check the pickles in a file, one after the other.

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

    def number(self, form: struct.Struct) -> Any:
        """The next number."""
        return form.unpack(self.read(form.size))[0]

    def spend(self, cost: int) -> None:
        """Subtract values that are built, or passed to a function, from the budget."""
        self.budget -= cost
        if self.budget < 0:
            raise UnreadableError(f'its {self.size} bytes stand for more than {self.limit} values')

    def add(self, owner: Node, values: Sequence[object]) -> Node:
        """Put values into a container."""
        for value in values:
            if type(value) is Node:
                owner.weight += value.weight
                if value.depth >= owner.depth:
                    owner.depth = value.depth + 1
            else:
                owner.weight += weight(value)
        if owner.depth > DEEPEST:
            raise UnreadableError(f'more than {DEEPEST} lists or dicts in each other')
        if owner.weight > self.limit:
            self.spend(owner.weight)
        if owner.kind == 'tuple':
            owner.items = tuple(values)
        elif owner.kind in ('list', 'dict'):
            owner.items.extend(values)
        return owner

    def set_items(self, owner: Node, values: Sequence[object]) -> None:
        """Put keys and values into a dict."""
        if not all(map(is_key, values[::2])):
            raise UnreadableError('a key that is neither a text nor a small number')
        self.add(owner, values)

    def check_pickle(self) -> None:
        """Check one pickle to its end.

        Raises:
            UnreadableError: See ``check_content``.
            Exception: Any other, for a damaged pickle.
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
                stack.append(Node(kind, () if kind == 'tuple' else []))
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
                owner, key, value = stack[-3:]
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
        _, kind, name, device, length, *view = key.items
        kind_name = kind.items.rpartition('.')[2]
        element_size = 1 if kind_name == 'UntypedStorage' else StorageType(kind_name).dtype.itemsize
        if name not in self.storages:
            self.stored += length * element_size
            self.storages[name] = kind.items, length
        begin, part = view[0].items[1:] if view and view[0] is not None else (0, length)
        is_inside = 0 <= begin <= begin + part <= length
        is_named = isinstance(name, bytes) and isinstance(device, bytes)
        if not is_named or self.storages[name] != (kind.items, length) or not is_inside:
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
        made = Node(name)
        if name not in TENSORS:  # copies what it is given, maybe
            made.weight = arguments.weight
        return made

    def build(self, owner: Node, state: object) -> None:
        """Set the state of an object; torch sets none of tensors since version 0.4."""
        known = owner.kind == 'collections.OrderedDict' or owner.kind in self.users
        if not known or (owner.kind in STATES and not STATES[owner.kind](state)):
            raise UnreadableError(f'it builds {shown(owner.kind)} otherwise than torch.save does')
        self.spend(weight(state))
