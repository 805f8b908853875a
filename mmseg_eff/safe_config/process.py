"""Restrict mmengine to the allowed parts, in a process that has read an untrusted config.

The check of a config's keys knows where mmengine, mmcv and mmseg build parts today. Here every
part is checked again when it is built, wherever its name comes from: a key that the first check
does not know, a default, a file that the config names.
"""

import functools
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import mmengine.registry
import mmengine.utils.misc
import mmseg.registry
from mmengine.fileio import FileClient, LocalBackend, io
from mmengine.fileio.backends import registry_utils as backends
from mmengine.fileio.handlers.base import BaseFileHandler
from mmengine.fileio.handlers.registry_utils import file_handlers
from mmengine.registry import Registry
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.utils import register_all_modules

from ..errors import InputError
from .allowed_parts import ALLOWED, NAMES
from .keys import DOWNLOAD, PACKAGES, UNPICKLED, URLS, is_address, shown

SEAL = ExitStack()  # closing it, as tests do, undoes everything
Loader = Callable[[str, object], object]


def seal(allow_download: bool = False) -> None:
    """Refuse, for the rest of this process, what a safe config may not make mmengine do.

    - A registry gives the parts in ``ALLOWED``, imports nothing on demand and follows no dotted
      name.
    - Weights come from local files; with ``allow_download``, from ``URLS`` too.
    - Data come from local files, no pipes or devices, and neither pickled nor as YAML.

    Processes that are forked inherit this; those that are spawned do not.
    """
    SEAL.close()
    load_parts()
    original = Registry.get

    def get(self: Registry, key: str) -> type | None:
        scope, _, name = str(key).rpartition('.')
        if name not in NAMES or scope not in ('', *PACKAGES):
            raise InputError(
                f'{shown(key)}: no part of the {self.name} registry that a safe config may use'
            )
        return original(self, key) if name in ALLOWED.get(self.name, ()) else None

    put(Registry, 'get', get)
    for module in (mmengine.registry.registry, mmengine.utils, mmengine.utils.misc):
        put(module, 'get_object_from_string', lambda name: None)
    for module in (mmengine.registry.registry, mmengine.utils.misc):
        put(module, 'import_module', imported)
    put(CheckpointLoader, '_get_checkpoint_loader', classmethod(loader_of(allow_download)))
    keep_local_files()


def put(owner: object, name: str, value: object) -> None:
    """Set an attribute until ``SEAL`` is closed."""
    SEAL.callback(setattr, owner, name, vars(owner)[name])
    setattr(owner, name, value)


def put_items(table: dict, items: dict) -> None:
    """Set the content of a table until ``SEAL`` is closed."""
    SEAL.callback(table.update, dict(table))
    SEAL.callback(table.clear)
    table.clear()
    table.update(items)


def load_parts() -> None:
    """Import all modules that register parts, before nothing can be imported any more."""
    register_all_modules(init_default_scope=False)
    for registry in (*vars(mmengine.registry).values(), *vars(mmseg.registry).values()):
        if isinstance(registry, Registry):
            registry.import_from_location()


def imported(name: str) -> ModuleType:
    """A module of ours or OpenMMLab's that is imported already."""
    if name not in sys.modules or name.partition('.')[0] not in PACKAGES:
        raise ImportError(f'{name} is not imported in safe mode')
    return sys.modules[name]


def loader_of(allow_download: bool) -> Callable[[type, str], Loader]:
    """``CheckpointLoader._get_checkpoint_loader`` for files and, where allowed, ``URLS``."""
    original = CheckpointLoader._get_checkpoint_loader

    def loader(cls: type[CheckpointLoader], path: str) -> Loader:
        if is_address(str(path)) and not (allow_download and str(path).startswith(URLS)):
            raise InputError(f'{shown(path)}: {DOWNLOAD if path.startswith(URLS) else "no file"}')
        return original(path) if is_address(str(path)) else cls._schemes['']

    return loader


class RefusingHandler(BaseFileHandler):
    """Takes the place of mmengine's readers of pickled and YAML files."""

    def load_from_fileobj(self, file: object, **_: object) -> None:
        raise InputError(f'files {UNPICKLED} can hold code: not read in safe mode')

    def dump_to_fileobj(self, obj: object, file: object, **_: object) -> None:
        raise InputError(f'files {UNPICKLED} are not written in safe mode')

    def dump_to_str(self, obj: object, **_: object) -> None:
        self.dump_to_fileobj(obj, None)


def regular(read: Callable[..., bytes | str]) -> Callable[..., bytes | str]:
    """A reader of files that refuses pipes, devices and sockets, which may never end."""

    @functools.wraps(read)
    def reader(
        self: LocalBackend, filepath: str | Path, *args: object, **kwargs: object
    ) -> bytes | str:
        if Path(filepath).exists() and not Path(filepath).is_file():
            raise InputError(f'{filepath}: no regular file')
        return read(self, filepath, *args, **kwargs)

    return reader


def keep_local_files() -> None:
    """Leave mmengine the storage backends of local files and the readers that run nothing."""
    for table in (backends.backends, backends.prefix_to_backends):
        put_items(table, {k: v for k, v in table.items() if issubclass(v, LocalBackend)})
    put_items(io.backend_instances, {})
    put_items(FileClient._instances, {})
    is_local = FileClient._backends['disk']
    for table in (FileClient._backends, FileClient._prefix_to_backends):
        local = (LocalBackend, is_local)
        put_items(table, {k: v for k, v in table.items() if issubclass(v, local)})
    formats = [suffix.removeprefix('.') for suffix in UNPICKLED]
    put_items(file_handlers, {**file_handlers, **dict.fromkeys(formats, RefusingHandler())})
    for name in ('get', 'get_text'):
        put(LocalBackend, name, regular(getattr(LocalBackend, name)))
    original = io._get_file_backend

    def local_backend(prefix: str, backend_args: dict) -> object:
        name = backend_args.get('backend', '')
        if prefix or (name and name not in backends.backends):
            raise InputError(f'{name or prefix}: only local files are read in safe mode')
        return original(prefix, backend_args)

    put(io, '_get_file_backend', local_backend)
