"""Check the keys and values of an untrusted config: names of parts, and files read and written.

What mmengine, mmcv and mmseg turn from text into code, connections or files:

====================================================  ============================================
keys                                                  allowed
====================================================  ============================================
``type`` of every part (norms, hooks, samplers,       a name in ``allowed_parts``, without dots; the
visualizer backends, ``collate_fn``,                  registries themselves refuse the others, and
``worker_init_fn``, …), ``constructor``,              those under any other key
``runner_type``, ``ema_type``, ``resize_type``,       (``process.seal``)
``padding_mode``
``_scope_``, ``default_scope``, ``custom_imports``    ``PACKAGES``, and modules of theirs that are
                                                      imported anyway
``backend_args``, ``file_client_args``                local files
``decode_backend``, ``ann_file``, … (``.pkl``,        arrays; JSON, text and images
``.yaml``)
``load_from``, ``checkpoint``, ``pretrained``         files; URLs of ``KNOWN_URLS``, or all with
                                                      ``--allow-download``
``work_dir``, ``out_dir``, ``save_dir``, …            folders below the work dir
``filename_tmpl``, ``config_save_file``, …            names without folders
``env_cfg``, ``…_dataloader``, ``launcher``           ``CLOSED``; none
the top: ``compile``, ``strategy``, ``cfg``, …        ``SECTIONS`` and ``VARIABLES``
====================================================  ============================================
"""

import difflib
import math
import re
import sys
from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from ..utils.names import HUB
from ..utils.user_errors import shorten
from .allowed_parts import NAMES, REASONS, SECTIONS, VARIABLES

PACKAGES = ('mmseg_eff', 'mmseg', 'mmengine', 'mmcv')
TYPES = ('type', 'constructor', 'runner_type', 'ema_type', 'resize_type', 'padding_mode')
WORDS: dict[str, Set[str]] = {  # values of these keys that name no registered part
    'type': {'Pretrained_Part', 'norm', 'value'},
    'padding_mode': {'zeros', 'circular', 'constant', 'edge', 'symmetric', 'border'},
}
CLOSED = {  # parts that pass what they hold to torch: the keys that they may have
    'env_cfg': {'cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit'},
    'dist_cfg': {'backend', 'timeout'},
    'mp_cfg': {'mp_start_method', 'opencv_num_threads'},
    'custom_imports': {'imports', 'allow_failed_imports'},
    'backend_args': {'backend'},
    'file_client_args': {'backend'},
    'collate_fn': {'type'},
    'worker_init_fn': {'type'},
    **dict.fromkeys(
        ('train_dataloader', 'val_dataloader', 'test_dataloader'),
        {'batch_sampler', 'batch_size', 'collate_fn', 'dataset', 'disable_subprocess_warning'}
        | {'drop_last', 'num_batch_per_epoch', 'num_workers', 'persistent_workers', 'pin_memory'}
        | {'prefetch_factor', 'sampler', 'shuffle', 'timeout', 'worker_init_fn', '_delete_'},
    ),
}
CHOICES = {  # values that a key may have wherever it stands
    '_scope_': PACKAGES,
    'default_scope': PACKAGES,
    'decode_backend': ('numpy', 'nifti', 'cv2'),
    'launcher': ('none',),
    'mp_start_method': ('fork',),  # another start would lose what process.seal refuses
    'backend_args.backend': ('local',),
    'file_client_args.backend': ('local', 'disk'),
    'dist_cfg.backend': ('nccl', 'gloo', 'mpi'),
    'collect_dir': (),
    'compile': (),
}
MOST = {'num_workers': 256, 'prefetch_factor': 1024, 'opencv_num_threads': 256}
WRITTEN = ('work_dir', 'out_dir', 'save_dir', 'output_dir', 'out_file', 'dir_name', 'log_dir')
NAMED = {  # file and folder names in the work dir
    'filename_tmpl': r'[\w+-][\w.+-]*(\{(:0?\d{1,2}d)?\}[\w.+-]*)?',
    **dict.fromkeys(
        ('config_save_file', 'scalar_save_file', 'img_save_dir', 'experiment_name'),
        r'[\w+-][\w .+-]*',
    ),
}
UNPICKLED = ('.pkl', '.pickle', '.yaml', '.yml')  # data files that mmengine's `load` may run
FETCHED = ('load_from', 'checkpoint', 'pretrained', 'checkpoint_file')
KNOWN_URLS = (  # may stand in a config, and are fetched with --allow-download only
    'https://download.openmmlab.com/',
    'https://download.pytorch.org/',
    'open-mmlab://',
    'torchvision://',
    'mmcls://',
    HUB,
)
URLS = ('http://', 'https://', *KNOWN_URLS)
DOWNLOAD = 'safe mode opens no connection; download it, or add --allow-download'


class Limits(NamedTuple):
    """What the user allows.

    Args:
        work_dir: Folder below which a config may name folders to write to.
        allow_download: Whether weights may be fetched from URLs.
    """

    work_dir: Path
    allow_download: bool = False


def unsafe_values(config: dict, used: Set[str], limits: Limits) -> Iterator[str]:
    """What in a config is not allowed, one line each that begins with its key.

    Args:
        config: The whole config.
        used: Names at the top that other values in it are made from.
        limits: What the user allows.
    """
    for name in config:
        if name == 'compile' or name not in SECTIONS | VARIABLES | used:
            yield (
                f'{shorten(name)}: nothing reads this key; a safe config has sections and '
                f'variables in use{alike(name, SECTIONS)}'
            )
    for name in ('model', *(key for key in config if key.endswith('_dataloader'))):
        if not isinstance(config.get(name, {}), dict | None):
            yield f'{name}: expected a dict, got {shown(config[name])}'
    yield from of_part(config, (), limits)


def of_part(value: object, path: tuple[str, ...], limits: Limits) -> Iterator[str]:
    """``unsafe_values`` of what stands at a path of keys and indices."""
    where = shorten('.'.join(path))
    if isinstance(value, dict):
        for name in value:
            if not (isinstance(name, str) and name.isprintable()) or set(name) & set('\'"\\'):
                # a dump of the config is Python
                yield f'{where}: key {shown(name)}: expected a string without quotes'
                return
        if reason := of_keys(value, key_of(path)):
            yield f'{where}: {reason}'
    elif reason := of_value(value, key_of(path), parent_of(path), limits):
        yield f'{where}: {reason}'
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif is_list(value):
        items = enumerate(value)
    for name, item in items:
        yield from of_part(item, (*path, str(name)), limits)


def is_list(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether a value is a list or a tuple."""
    return isinstance(value, list | tuple)


def key_of(path: tuple[str, ...]) -> str:
    """The last key of a path: an index belongs to the key of its list."""
    return next((name for name in reversed(path) if not name.isdigit()), '')


def parent_of(path: tuple[str, ...]) -> str:
    """The key before the last one."""
    names = [name for name in path if not name.isdigit()]
    return names[-2] if len(names) > 1 else ''


def shown(value: object) -> str:
    """A value for a message, cut off after 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:60]}…'


def alike(value: object, names: Set[str]) -> str:
    """A question for the name that a misspelt one is most like; empty if there is none."""
    near = difflib.get_close_matches(value, names, 1) if isinstance(value, str) else ()
    return f'; did you mean {near[0]}?' if near else ''


def of_keys(value: dict, key: str) -> str:
    """Why a dict under a key is not allowed; empty if it is."""
    if key in CLOSED and (others := sorted(value.keys() - CLOSED[key])):
        return f'{shorten(others[0])} is not allowed; expected are {", ".join(sorted(CLOSED[key]))}'
    if key in (*TYPES, *CHOICES, *WRITTEN, *NAMED):
        return f'{shown(value)}: expected no dict'
    return ''


def of_value(value: object, key: str, parent: str, limits: Limits) -> str:
    """Why a number, text, list … under a key is not allowed; empty if it is."""
    if key == 'imports' and parent == 'custom_imports':
        return of_import(value)
    if is_list(value) or value is None:
        return '' if key not in ('type', 'constructor') else f'{shown(value)}: expected a name'
    if key in CLOSED and not (key.endswith('_args') and not value):
        return f'{shown(value)}: expected a dict of {", ".join(sorted(CLOSED[key]))}'
    choices = CHOICES.get(f'{parent}.{key}', CHOICES.get(key))
    if choices is not None and value not in choices and (choices or value):
        allowed = f'expected {" or ".join(map(repr, choices))}' if choices else 'is not allowed'
        return f'{shown(value)}: {allowed} in a safe config'
    if key in TYPES:
        return of_type(value, WORDS.get(key, frozenset()))
    if isinstance(value, float) and not math.isfinite(value):
        return f'{value}: expected a finite number'  # a dump of it would be a name
    if key in MOST and not (isinstance(value, int) and value <= MOST[key]):
        return f'{shown(value)}: expected at most {MOST[key]}'
    return of_text(value, key, limits) if isinstance(value, str) else ''


def of_type(value: object, words: Set[str]) -> str:
    """Why a value names no part that a safe config may use."""
    if isinstance(value, str) and (value in NAMES or value in words):
        return ''
    if isinstance(value, str) and value in REASONS:
        return f'{value!r} {REASONS[value]}: not in a safe config'
    hint = alike(value, NAMES)
    return f'{shown(value)}: expected the plain name of a part that mmseg or we register{hint}'


def of_import(value: object) -> str:
    """Why ``custom_imports.imports``, or a module in it, is not allowed."""
    if is_list(value):
        return ''
    is_known = isinstance(value, str) and value.partition('.')[0] in PACKAGES
    if is_known and value in sys.modules:  # nothing is imported for a config
        return ''
    return f'{shown(value)}: expected modules of {", ".join(PACKAGES)} that register parts'


def of_text(text: str, key: str, limits: Limits) -> str:
    """Why a text is not allowed: it names what is fetched, run, or written elsewhere."""
    if not text.isprintable() and re.search(r'[^\s\x21-\U0010ffff]|[\ud800-\udfff]', text):
        return f'{shown(text)}: expected text without control characters'
    if is_address(text):
        is_known = text.startswith(URLS if limits.allow_download else KNOWN_URLS)
        if key not in FETCHED or not text.startswith(URLS):
            return f'{shown(text)}: expected a local file'
        return '' if is_known else f'{shown(text)}: {DOWNLOAD}'
    if text.lower().endswith(UNPICKLED):
        return f'{shown(text)}: files {UNPICKLED} can hold code'
    if key in WRITTEN and not Path(text).resolve().is_relative_to(limits.work_dir.resolve()):
        return f'{shown(text)}: outside the work dir {limits.work_dir}; expected a folder in it'
    if key in NAMED and not re.fullmatch(NAMED[key], text):
        return f'{shown(text)}: expected a plain file name, such as iter_{{}}.pth'
    if key.endswith('_type') and not re.fullmatch(r'[\w-]*', text):
        return f'{shown(text)}: expected a plain name'
    return ''


def is_address(text: str) -> bool:
    """Whether a text where a file is expected is a URL or ``hub:NAME``."""
    return '://' in text or text.startswith(HUB)
