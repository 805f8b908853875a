"""Evaluate the expressions of an untrusted config: what our configs need, within bounds.

Literals, names, keys of ``_base_``, arithmetic, slices, f-strings without a format, comprehensions
with one loop, and the calls in ``CALLS``.
"""

import ast
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict

from ..errors import InputError

CALLS: dict[str, Callable[..., Any]] = {
    'dict': dict,
    'int': int,
    'len': len,
    'range': range,
    'sum': lambda values: sum(values),  # no start: it could join lists
}
OPERATIONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
LITERALS = (str, int, float, bool, type(None))
SIZED = (str, list, tuple, dict, range)
MAX_WORK = 200_000  # values and their elements, for a config with its bases: ours need 17,000
MAX_FILES = 50
MAX_BYTES = 100_000  # of all files: nine times our largest config; Python parses some slowly
MAX_DEPTH = 50  # of lists and dicts in each other
MAX_BITS = 128  # of an integer


class Budget:
    """Limits on the steps, files and bytes of a config and its bases.

    Attributes:
        contents: What the files read so far hold, by resolved path.
        used: Names at the top of the files that an expression in them uses.
    """

    def __init__(self) -> None:
        self.work = self.files = self.bytes = 0
        self.contents: dict[Path, dict] = {}
        self.used: set[str] = set()

    def read(self, path: Path) -> str:
        """The text of one more file."""
        self.files += 1
        if self.files > MAX_FILES:
            raise InputError(f'builds on more than {MAX_FILES} files')
        with path.open('rb') as file:
            data = file.read(MAX_BYTES - self.bytes + 1)
        self.bytes += len(data)
        if self.bytes > MAX_BYTES:
            raise InputError(f'with its bases larger than {MAX_BYTES} bytes')
        return data.decode()

    def spend(self, work: int) -> None:
        """Count steps, so that no file takes long or fills the memory."""
        self.work += work
        if self.work > MAX_WORK:
            raise InputError(f'takes more than {MAX_WORK} steps')

    def expand(self, value: object, depth: int = 0) -> None:
        """Count a value as if written out: a list may hold another many times."""
        if depth > MAX_DEPTH:
            raise InputError(f'nested deeper than {MAX_DEPTH}')
        self.spend(1 + (len(value) if isinstance(value, str) else 0))
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            for item in value:
                self.expand(item, depth + 1)


class Evaluator:
    """Evaluates the expressions of one file.

    Args:
        path: The file, for messages.
        budget: Shared with the files that it builds on.
    """

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path = path
        self.budget = budget

    def value(self, node: ast.expr, names: dict[str, Any]) -> Any:
        """The value of an expression; errors start with the file and the line."""
        try:
            value = self.evaluate(node, lambda part: self.value(part, names), names)
            if isinstance(value, int) and value.bit_length() > MAX_BITS:
                raise InputError(f'an integer of more than {MAX_BITS} bits')
            self.budget.spend(1 + (len(value) if isinstance(value, SIZED) else 0))
        except InputError as error:
            if str(error).startswith(f'{self.path}:'):  # said by an inner expression
                raise
            raise InputError(f'{self.path}:{node.lineno}: {error}') from error
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise InputError(
                f'{self.path}:{node.lineno}: {type(error).__name__}: {error}'
            ) from error
        return value

    def evaluate(self, node: ast.expr, of: Callable[[ast.expr], Any], names: dict[str, Any]) -> Any:
        """The value of an expression.

        Args:
            node: The expression.
            of: Gives the value of a part of it.
            names: Values of the names that it may use.
        """
        match node:
            case ast.Constant(value=value) if isinstance(value, LITERALS):
                return value
            case ast.Name(id=name) if name in names:
                self.budget.used.add(name)
                return names[name]
            case ast.Attribute(value=owner, attr=name):
                base = of(owner)
                if not isinstance(base, ConfigDict) or name not in base:
                    raise InputError(refusal(node))
                if isinstance(owner, ast.Name) and owner.id == '_base_':
                    self.budget.used.add(name)
                return base[name]
            case ast.Subscript(value=owner, slice=index):
                return of(owner)[of(index)]
            case ast.Slice(lower=lower, upper=upper, step=step):
                return slice(*(part and of(part) for part in (lower, upper, step)))
            case ast.List(elts=parts):
                return items(parts, of)
            case ast.Tuple(elts=parts):
                return tuple(items(parts, of))
            case ast.Dict(keys=keys, values=values):
                entries: dict[Any, Any] = {}
                for key, value in zip(keys, values, strict=True):
                    entries.update(of(value) if key is None else {of(key): of(value)})
                return entries
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in CALLS:
                named: dict[str, Any] = {}
                for word in keywords:
                    named.update(of(word.value) if word.arg is None else {word.arg: of(word.value)})
                return CALLS[name](*items(args, of), **named)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATIONS:
                return OPERATIONS[type(op)](of(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
                return self.operate(op, of(left), of(right))
            case ast.JoinedStr(values=parts):
                return ''.join(str(of(part)) for part in parts)
            case ast.FormattedValue(value=part, conversion=-1, format_spec=None):
                if isinstance(value := of(part), LITERALS):
                    return value
            case ast.ListComp(elt=element, generators=generators):
                return [self.value(element, inner) for inner in self.scopes(generators, names)]
            case ast.DictComp(key=key, value=value, generators=generators):
                return {
                    self.value(key, inner): self.value(value, inner)
                    for inner in self.scopes(generators, names)
                }
        raise InputError(refusal(node))

    def operate(self, op: ast.operator, left: Any, right: Any) -> Any:
        """A sum, product, … of two values; a long list is refused before it is made."""
        if isinstance(op, ast.Mod) and isinstance(left, str):
            raise InputError('the operator % is for numbers in a safe config')
        if isinstance(op, ast.Mult):
            for sequence, times in ((left, right), (right, left)):
                if isinstance(sequence, str | list | tuple) and isinstance(times, int):
                    self.budget.spend(len(sequence) * max(times, 0))
        return OPERATIONS[type(op)](left, right)

    def scopes(
        self, generators: list[ast.comprehension], names: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """The names of each round of a comprehension with one loop and no condition."""
        match generators:
            case [ast.comprehension(target=target, iter=source, ifs=[], is_async=0)]:
                is_tuple = isinstance(target, ast.Tuple)
                targets = target.elts if isinstance(target, ast.Tuple) else [target]
                variables = [part.id for part in targets if isinstance(part, ast.Name)]
                if len(variables) < len(targets):
                    raise InputError(refusal(target))
                for value in self.value(source, names):
                    self.budget.spend(len(names))
                    values = value if is_tuple else [value]
                    yield {**names, **dict(zip(variables, values, strict=True))}
            case _:
                raise InputError('a comprehension of a safe config has one loop and no condition')


def refusal(node: ast.AST) -> str:
    """Why a part of a file is not read."""
    text = ast.unparse(node).partition('\n')[0]
    return f'{text[:60]!r} is not allowed in a safe config, or not defined'


def items(parts: list[ast.expr], of: Callable[[ast.expr], Any]) -> list:
    """The values of a list display, or of positional arguments."""
    values = []
    for part in parts:
        if isinstance(part, ast.Starred):
            values.extend(of(part.value))
        else:
            values.append(of(part))
    return values
