"""Refuse keys of ``--cfg-options`` that nothing reads, and suggest the nearest known key.

A key is known if the config has it, or if the part that it is set on takes it: an argument of the
class that ``type`` names, of mmengine's runner at the top, of PyTorch's ``DataLoader`` in a data
loader. Where other keys are possible (a dict without ``type``, a class that passes its ``**kwargs``
to others than its base), a new key is refused only if it resembles a known one.
"""

import ast
import difflib
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import mmseg.registry
from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry
from torch.utils.data import DataLoader

from .._lazy_registries import registered
from ..errors import InputError

OF_EVERY_PART = ('type', '_scope_', '_delete_')
POPPED = {  # by mmengine, before it calls the class; by registry
    'HOOKS': ('priority',),
    'OPTIM_WRAPPERS': ('constructor', 'paramwise_cfg'),
    'PARAM_SCHEDULERS': ('convert_to_iter_based',),
    'METRICS': ('keep_results',),
    'EVALUATOR': ('metrics',),
}
OF_RUNNER = (  # read from the config beside the runner's arguments
    *('runner_type', 'tta_model', 'tta_pipeline', 'model_wrapper_cfg', 'compile', 'custom_imports'),
    *('sync_bn', 'find_unused_parameters', 'activation_checkpointing', 'auto_scale_lr'),
)
OF_LOADER = ('dataset', 'num_batch_per_epoch')
CLOSED = {  # parts without a type that take nothing else
    'env_cfg': ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'),
    'env_cfg.mp_cfg': ('mp_start_method', 'opencv_num_threads'),
}
BY_NAME = {  # what parts of this name may have, wherever they are
    'act_cfg': ('inplace',),
    'clip_grad': ('type', 'max_norm', 'norm_type', 'error_if_nonfinite', 'foreach', 'clip_value'),
    'data_prefix': ('img_path', 'seg_map_path'),
    'metainfo': ('classes', 'palette'),
    'norm_cfg': ('requires_grad',),
    'test_cfg': ('mode', 'crop_size', 'stride'),
}
LOOKS_ALIKE = 0.75  # of difflib: 'max_iter' and 'max_iters' have 0.94


class Known(NamedTuple):
    """Keys that a part of a config may have."""

    names: set[str]
    is_closed: bool  # whether other keys are refused


def check_keys(before: ConfigDict, config: Config, options: Mapping[str, object]) -> None:
    """Raise an ``InputError`` for the first key of the options that is not known.

    Args:
        before: The config's dict before the options were merged into it.
        config: The config after that, whose types count.
        options: Values by dotted key.
    """
    for option in options:
        old: Any = before
        new: Any = config._cfg_dict
        path: list[str] = []
        for key in option.split('.'):
            if not isinstance(new, dict | list | tuple):
                break  # another option replaced it
            if isinstance(new, list | tuple):
                old, new = at(old, int(key)), new[int(key)]
            else:
                if not (isinstance(old, dict) and key in old):
                    check_key(key, known_keys('.'.join(path), old, new), path, config.filename)
                old, new = at(old, key), new[key]
            path.append(key)


def check_paths(config: Config, options: Mapping[str, object]) -> None:
    """Raise an ``InputError`` for an option that names an item of a value or none of a list."""
    for option in options:
        part: Any = config._cfg_dict
        path: list[str] = []
        for key in option.split('.'):
            name = '.'.join(path)
            if isinstance(part, list | tuple):
                if not key.isdigit() or int(key) >= len(part):
                    raise InputError(
                        f'--cfg-options: {option}: {name} is a list of {len(part)}; its items are '
                        f'{name}.0 and so on'
                    )
            elif not isinstance(part, dict):
                raise InputError(f'--cfg-options: {option}: {name} is {part!r}, which has no keys')
            elif key not in part:
                break
            part = part[int(key) if isinstance(part, list | tuple) else key]
            path.append(key)


def at(part: Any, key: str | int) -> Any:
    """An item of a dict or a list, or ``None``."""
    try:
        return part[key]
    except (IndexError, KeyError, TypeError):
        return None


def check_key(key: str, known: Known, path: list[str], filename: str) -> None:
    """Raise an ``InputError`` if a new key of the part at ``path`` is not known."""
    if key in known.names:
        return
    alike = 0.6 if known.is_closed else LOOKS_ALIKE
    near = difflib.get_close_matches(key, known.names, 1, alike)
    if not near and not known.is_closed:
        return
    name, hint = '.'.join([*path, key]), ''
    if near:
        hint = f'; did you mean {".".join([*path, *near])}?'
    elif known.names:
        shown = sorted(known.names - {*OF_EVERY_PART})
        hint = f'; known are {", ".join(shown[:12])}{", …" if len(shown) > 12 else ""}'
    raise InputError(f'--cfg-options: nothing reads {name} in {filename}{hint}')


def known_keys(path: str, old: object, new: ConfigDict) -> Known:
    """The keys that the part of a config at a dotted path may have."""
    own = {key for key in old if isinstance(key, str)} if isinstance(old, dict) else set()
    own.update(BY_NAME.get(path.rpartition('.')[2], ()))
    if not path:
        from mmengine.runner import Runner

        names = own | parameters(Runner.__init__).names.union(OF_RUNNER) - {'cfg'}
        for _, runner in find(new.get('runner_type', 'Runner')):
            names |= parameters(runner.__init__).names
        return Known(names, True)
    if 'type' in new:
        taken = [of_type(name, item) for name, item in find(new['type'])]
        names = own.union(OF_EVERY_PART, *(known.names for known in taken))
        return Known(names, bool(taken) and all(known.is_closed for known in taken))
    if path.endswith('_dataloader') and '.' not in path:
        return Known(own | parameters(DataLoader.__init__).names | {*OF_LOADER}, True)
    if path == 'randomness':
        from mmengine.runner import set_random_seed

        return Known(own | parameters(set_random_seed).names, True)
    if path in CLOSED:
        return Known(own | {*CLOSED[path]}, True)
    return Known(own, False)


def find(name: object) -> Iterator[tuple[str, Any]]:
    """What a ``type`` may be, each with the name of its registry; nothing is imported for it."""
    if not isinstance(name, str):
        yield '', name
        return
    for kind, registry in vars(mmseg.registry).items():
        if isinstance(registry, Registry):
            registry.import_from_location()  # mmseg's own modules
            while registry is not None:
                if (found := registered(registry, name.rpartition('.')[2])) is not None:
                    yield kind, found
                    break
                registry = registry.parent


def of_type(kind: str, item: Any) -> Known:
    """The arguments of a class or function in a registry."""
    known = of_class(item) if isinstance(item, type) else parameters(item)
    return Known(known.names | {*POPPED.get(kind, ())}, known.is_closed)


@cache
def of_class(item: type) -> Known:
    """The arguments of a class, and of its bases as far as each passes ``**kwargs`` on to them."""
    names, is_closed = set(), True
    for base in item.__mro__:
        if '__init__' in vars(base) and base is not object:
            own = parameters(vars(base)['__init__'])
            names |= own.names
            if own.is_closed:
                break
            is_closed = is_closed and passes_on(base)
    return Known(names, is_closed)


def parameters(function: Callable[..., Any]) -> Known:
    """The arguments of a function by name; closed if there is no ``**kwargs``."""
    try:
        given = inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C
        return Known(set(), False)
    is_closed = all(item.kind is not item.VAR_KEYWORD for item in given.values())
    return Known(set(given) - {'self', 'args', 'kwargs'}, is_closed)


def passes_on(item: type) -> bool:
    """Whether a class uses ``**kwargs`` of its ``__init__`` for its base's, or not at all."""
    try:
        source = textwrap.dedent(inspect.getsource(vars(item)['__init__']))
    except (OSError, TypeError):
        return False
    function = ast.parse(source).body[0]
    if not isinstance(function, ast.FunctionDef) or function.args.kwarg is None:
        return False
    name = function.args.kwarg.arg
    uses = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name]
    handed = [
        keyword.value
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and getattr(call.func, 'attr', '') == '__init__'
        for keyword in call.keywords
        if keyword.arg is None
    ]
    return all(use in handed for use in uses)
