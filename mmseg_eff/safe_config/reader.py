"""Read untrusted config files as data, without running Python in them.

A file is a list of assignments of what ``evaluator`` can evaluate.
"""

import ast
import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config, ConfigDict

from ..errors import InputError
from ..utils.user_errors import one_line, shorten
from .allowed_parts import SECTIONS, VARIABLES
from .evaluator import CALLS, Budget, Evaluator, refusal
from .keys import Limits, unsafe_values
from .process import seal

# The one variable our configs read: others may hold secrets, and a config can send them in a URL.
VARIABLE = 'MMSEG_EFF_DATA'
PACKAGES = ('mmseg_eff', 'mmseg')  # whose configs a base may name, as mmseg_eff::espnet/….py
TEMPLATE = re.compile(r'\{\{\$' + VARIABLE + r':([^\s\'"{}]+)\}\}')


def read_safe_config(path: str | Path, limits: Limits | None = None) -> Config:
    """``Config.fromfile`` for an untrusted file; restricts the process (``seal``).

    Bases must lie below the folder of ``path``, or below the nearest one above that has a folder
    ``_base_``; or among the configs of a package, as ``mmseg_eff::espnet/….py``. Variables that are
    in use and not in ``VARIABLES`` are left out.

    Args:
        path: Python config file.
        limits: What the user allows; by default writing below ``work_dirs`` and no download.

    Raises:
        InputError: As ``file:line: …``, if anything in the file or its bases is no plain data, or
            takes more than the ``Budget``; as ``file: key: …``, if a value is not allowed.
    """
    limits = limits or Limits(Path('work_dirs'))
    seal(limits.allow_download)
    content, used = read_data(path)
    for reason in unsafe_values(content, used, limits):
        raise InputError(f'{path}: {reason}')
    kept = {name: value for name, value in content.items() if name in SECTIONS | VARIABLES}
    # a dump is not laid out: yapf takes minutes for what a file of 40 kB can hold
    return Config(kept, filename=str(path), format_python_code=False)


def read_data(path: str | Path) -> tuple[dict, set[str]]:
    """What a config and its bases hold as data, and the names at the top that they use.

    Raises:
        InputError: As for ``read_safe_config``; values are not checked.
    """
    top, budget = Path(path).resolve(), Budget()
    roots = [folder for folder in top.parents if (folder / '_base_').is_dir()]
    try:
        return read_file(top, roots[0] if roots else top.parent, budget), budget.used
    except RecursionError as error:
        raise InputError(f'{path}: nested too deeply') from error


def read_file(path: Path, root: Path, budget: Budget, chain: tuple[Path, ...] = ()) -> dict:
    """The content of a file merged into that of its bases.

    Args:
        path: Resolved path.
        root: Folder below which bases may lie.
        budget: What the file and its bases may take.
        chain: Files that led to this one.
    """
    if path in budget.contents:
        return budget.contents[path]
    settings = list(assignments(path, budget))
    evaluator = Evaluator(path, budget)
    inherited = ConfigDict()
    for name in base_names([value for name, value in settings if name == '_base_'], evaluator):
        base, above = locate(name, path, root)
        if base in (path, *chain) or not base.is_relative_to(above) or not base.is_file():
            raise InputError(
                f'{path}: _base_ {name!r}: expected an existing file below {above} that does not '
                'lead back here'
            )
        # mmengine's own steps, so that the result is the same
        content = read_file(base, above, budget, (*chain, path))
        spend(budget, content, path)
        content = Config._dict_to_config_dict(content)
        if twice := sorted(inherited.keys() & content.keys()):
            raise InputError(f'{path}: several bases define {", ".join(twice)}')
        inherited.update(content)
    names = {'_base_': inherited}
    for name, value in settings:
        if name != '_base_':
            names[name] = evaluator.value(value, names)
    del names['_base_']
    spend(budget, names, path)
    try:
        # copied first, as in mmengine: merging takes _delete_ from a dict that two keys may share
        content = Config._merge_a_into_b(Config._dict_to_config_dict(names), inherited)
    except (KeyError, TypeError, ValueError) as error:  # a dict over something else
        raise InputError(f'{path}: {shorten(one_line(error))}') from error
    budget.contents[path] = content
    return content


def locate(name: str, path: Path, root: Path) -> tuple[Path, Path]:
    """The file that a base names, and the folder below which it must lie.

    Args:
        name: The base.
        path: The file that names it.
        root: Folder below which its bases may lie.
    """
    package, is_of_package, below = name.partition('::')
    if not is_of_package:
        return (path.parent / name).resolve(), root
    spec = find_spec(package) if package in PACKAGES else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f'{path}: _base_ {name!r}: expected configs of {" or ".join(PACKAGES)} before the ::'
        )
    folder = Path(spec.submodule_search_locations[0], '.mim/configs').resolve()
    return (folder / below).resolve(), folder


def spend(budget: Budget, content: object, path: Path) -> None:
    """Count what a file holds; errors begin with the file."""
    try:
        budget.expand(content)
    except InputError as error:
        raise InputError(f'{path}: {error}') from error


def assignments(path: Path, budget: Budget) -> Iterator[tuple[str, ast.expr]]:
    """Names and expressions of the assignments in a file, which must hold nothing else."""
    if path.suffix != '.py':
        raise InputError(f'{path}: expected a .py config')
    try:
        text = budget.read(path)
        text = TEMPLATE.sub(lambda match: os.environ.get(VARIABLE, match[1]), text)
        tree = ast.parse(text)
    except InputError as error:
        raise InputError(f'{path}: {error}') from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, 'lineno', None) or 1
        reason = str(error) or type(error).__name__
        raise InputError(f'{path}:{line}: not Python ({reason})') from error
    if '{{' in text:
        line = text[: text.index('{{')].count('\n') + 1
        raise InputError(
            f'{path}:{line}: of template variables only {{{{${VARIABLE}:…}}}} is allowed in a '
            'safe config'
        )
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if (
                not name.startswith('__') and name not in CALLS
            ):
                yield name, value
            case ast.Expr(value=ast.Constant(value=str())):  # a docstring
                pass
            case _:
                raise InputError(f'{path}:{statement.lineno}: {refusal(statement)}')


def base_names(expressions: list[ast.expr], evaluator: Evaluator) -> list[str]:
    """The paths in a file's ``_base_``, as written.

    Args:
        expressions: What the file assigns to ``_base_``: nothing or one expression.
        evaluator: The file's.
    """
    names = [evaluator.value(expression, {}) for expression in expressions]
    if len(names) == 1 and isinstance(names[0], list):
        names = names[0]
    if len(expressions) > 1 or not all(isinstance(name, str) for name in names):
        raise InputError(
            f'{evaluator.path}:{expressions[-1].lineno}: _base_ must be one path or list of paths'
        )
    return names
