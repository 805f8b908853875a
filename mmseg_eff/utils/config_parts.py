"""Look up the arguments of a config's parts."""

import inspect
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import Registry
from mmseg.registry import MODELS


def argument(part: ConfigDict, name: str, registry: Registry = MODELS) -> Any:
    """The value that a part gets for an argument; ``None`` if it takes none.

    If the config does not set it, that is the default of its class, or of the base that has it.
    """
    if name in part:
        return part[name]
    kind = part['type']
    for base in getattr(registry.get(kind) if isinstance(kind, str) else kind, '__mro__', ()):
        parameters = inspect.signature(base.__init__).parameters
        if name in parameters:
            return parameters[name].default
    return None
