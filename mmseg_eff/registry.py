"""Make scope ``mmseg_eff`` a second name of scope ``mmseg``.

Our parts are registered in mmseg's registries. mmengine gives everything in a base config named
``mmseg_eff::…``, and ``MMSegInferencer(…, scope='mmseg_eff')``, a scope of that name; each registry
therefore gets a child that looks every name up in mmseg's.
"""

import mmseg.registry
from mmengine.registry import Registry


class ScopeAlias(Registry):
    """A registry named ``scope`` that holds nothing and finds what ``target`` finds."""

    def __init__(self, target: Registry, scope: str) -> None:
        super().__init__(target.name, parent=target.parent, scope=scope)
        self.target = target

    def get(self, key: str) -> type | None:
        return self.target.get(key)


ALIASES = tuple(
    ScopeAlias(registry, scope='mmseg_eff')
    for registry in vars(mmseg.registry).values()
    if isinstance(registry, Registry)
)
