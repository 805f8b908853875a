"""Config files read as data: no Python in them is run, so they may come from anywhere.

A file is a list of assignments of what ``safe_values`` can evaluate.
"""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.utils import import_modules_from_strings

from ..errors import InputError
from .safe_values import CALLS, Budget, Evaluator, refusal

MAX_BYTES = 1_000_000  # of a file
# The one variable our configs read: others may hold secrets, and a config can send them in a URL.
VARIABLE = 'MMSEG_EFF_DATA'
TEMPLATE = re.compile(r'\{\{\$' + VARIABLE + r':([^\s\'"{}]+)\}\}')

PACKAGES = ('mmseg_eff', 'mmseg', 'mmengine', 'mmcv')
# A registry imports what a dotted name says, and would call `os.system` as a `type`.
NAMES = ('type', 'constructor', 'runner_type')
SCOPES = ('_scope_', 'default_scope')
COMMANDS = {  # registered parts that evaluate text, start programs or send files away
    'AimVisBackend',
    'ClearMLVisBackend',
    'DVCLiveVisBackend',
    'MLflowVisBackend',
    'NeptuneVisBackend',
    'RFSearchHook',
    'WandbVisBackend',
}
UNPICKLED = ('.pkl', '.pickle', '.yaml', '.yml')  # data files that mmengine's `load` may run


def read_safe_config(path: str | Path) -> Config:
    """``Config.fromfile`` for a file that nobody vouches for.

    Bases must lie below the folder of ``path``, or below the nearest one above that has a folder
    ``_base_``.

    Args:
        path: Python config file.

    Raises:
        InputError: As ``file:line: …``, if anything in the file or its bases is no plain data, or
            takes more than ``MAX_WORK`` steps; if a value would make mmengine run code.
    """
    top = Path(path).resolve()
    roots = [folder for folder in top.parents if (folder / '_base_').is_dir()]
    try:
        content = read_file(top, roots[0] if roots else top.parent, Budget())
    except RecursionError as error:
        raise InputError(f'{path}: nested too deeply') from error
    for reason in unsafe_values(content):
        raise InputError(f'{path}: {reason}')
    if imports := content.get('custom_imports'):
        import_modules_from_strings(**imports)
    return Config(content, filename=str(path))


def unsafe_values(value: object, key: object = '') -> Iterator[str]:
    """What in a config would make mmengine run code, one reason each.

    Args:
        value: The config, or a part of it.
        key: The name it has.
    """
    if isinstance(value, dict):
        for name, item in value.items():
            if not (isinstance(name, str) and name.isprintable()) or set(name) & set('\'"\\'):
                yield f'key {name!r}: expected a string without quotes'  # it is dumped as Python
            yield from unsafe_values(item, name)
        if imports := value.get('custom_imports'):
            yield from unsafe_imports(imports)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from unsafe_values(item, key)
    elif key in NAMES and not (isinstance(value, str) and value.isidentifier()):
        yield f'{key}={value!r}: expected the plain name of a registered part'
    elif key == 'type' and value in COMMANDS:
        yield f'type={value!r}: this part runs commands or sends files away'
    elif key in SCOPES and value is not None and value not in PACKAGES:
        yield f'{key}={value!r}: expected one of {PACKAGES}'
    elif isinstance(value, str) and value.lower().endswith(UNPICKLED):
        yield f'{key}={value!r}: files {UNPICKLED} can hold code'
    elif key == 'decode_backend' and value == 'pickle':
        yield f'{key}={value!r}: pickled data can hold code'


def unsafe_imports(imports: object) -> Iterator[str]:
    """What is wrong with a config's ``custom_imports``."""
    modules = imports.get('imports') if isinstance(imports, dict) else None
    known = {'imports', 'allow_failed_imports'}
    if not isinstance(modules, list) or imports.keys() - known:
        yield f'custom_imports={imports!r}: expected dict(imports=[…])'
        return
    for module in modules:
        if not isinstance(module, str) or module.partition('.')[0] not in PACKAGES:
            yield f'custom_imports of {module!r}: expected modules of {PACKAGES}'


def read_file(path: Path, root: Path, budget: Budget, chain: tuple[Path, ...] = ()) -> dict:
    """The content of a file merged into that of its bases.

    Args:
        path: Resolved path.
        root: Folder below which bases may lie.
        budget: What the file and its bases may take.
        chain: Files that led to this one.
    """
    settings = list(assignments(path))
    evaluator = Evaluator(path, budget)
    inherited = ConfigDict()
    for name in base_names([value for name, value in settings if name == '_base_'], evaluator):
        base = (path.parent / name).resolve()
        if base in (path, *chain) or not base.is_relative_to(root) or not base.is_file():
            raise InputError(
                f'{path}: _base_ {name!r}: expected an existing file below {root} that does not '
                'lead back here'
            )
        # mmengine's own steps, so that the result is the same
        content = Config._dict_to_config_dict(read_file(base, root, budget, (*chain, path)))
        if twice := sorted(inherited.keys() & content.keys()):
            raise InputError(f'{path}: several bases define {", ".join(twice)}')
        inherited.update(content)
    names = {'_base_': inherited}
    for name, value in settings:
        if name != '_base_':
            names[name] = evaluator.value(value, names)
    del names['_base_']
    try:
        budget.expand(names)
        return Config._merge_a_into_b(names, inherited)
    except (TypeError, ValueError) as error:  # a dict over something else, or too much
        raise InputError(f'{path}: {error}') from error


def assignments(path: Path) -> Iterator[tuple[str, ast.expr]]:
    """Names and expressions of the assignments in a file, which must hold nothing else."""
    if path.suffix != '.py':
        raise InputError(f'{path}: expected a .py config')
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f'{path}: larger than {MAX_BYTES} bytes')
    try:
        text = path.read_text(encoding='utf-8')
        text = TEMPLATE.sub(lambda match: os.environ.get(VARIABLE, match[1]), text)
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, 'lineno', None) or 1
        raise InputError(f'{path}:{line}: not Python ({error})') from error
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
