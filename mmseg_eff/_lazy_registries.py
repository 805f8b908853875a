"""Let mmengine's registries know the parts whose modules are imported lazily.

A registry finds what is registered, and a part is registered when its module is imported. So the
module that exports a name is imported before the name is looked up (or taken by another part), and
every module that waits if the name is found nowhere, or if somebody looks at all names.
"""

import functools
from types import ModuleType
from typing import Any

from ._lazy_packages import after_import, load, load_all, note_all, waiting

SCOPES = {'mmseg_eff': 'mmseg'}  # project -> scope of its parts, if it is not its own
PROJECTS = ('mmcv', 'mmengine', 'mmseg', 'mmseg_eff')  # which do not take each other's names


def extend(module: ModuleType) -> None:
    """Extend the class ``Registry`` of ``mmengine.registry.registry``."""
    registry: Any = module.Registry
    get, add, names = registry.get, registry._register_module, registry.module_dict
    if hasattr(get, '__wrapped__'):
        return

    @functools.wraps(get)
    def find(self, key: str) -> Any:
        if isinstance(key, str):
            self.import_from_location()
            load(key.rpartition('.')[2])
        try:
            found = get(self, key)
        except RuntimeError:
            if not load_all():
                raise
            found = None
        else:
            if found is None and not load_all():
                return None
        return get(self, key) if found is None else found

    @functools.wraps(add)
    def register(self, module: Any, module_name: Any = None, force: bool = False) -> None:
        given = [module_name] if isinstance(module_name, str) else module_name
        own = getattr(module, '__module__', None) or ''
        if own.partition('.')[0] not in PROJECTS:
            note_all()
        for name in given or [getattr(module, '__name__', '')]:
            for package, path in waiting(name):
                project = package.partition('.')[0]
                is_own = own == path or own.startswith(f'{path}.')
                if SCOPES.get(project, project) == self.scope and not is_own:
                    load(name)
        add(self, module, module_name, force)

    def all_names(self) -> dict[str, type]:
        load_all()
        return names.fget(self)

    registry.get, registry._register_module = find, register
    registry.module_dict = property(all_names, doc=names.__doc__)


def registered(registry: Any, name: str) -> Any:
    """What a registry itself has under a name, or ``None``; only its own project is imported."""
    load(name)
    return registry._module_dict.get(name)


def install() -> None:
    """Extend mmengine's registries when they are imported, or now if they are already."""
    after_import('mmengine.registry.registry', extend)
