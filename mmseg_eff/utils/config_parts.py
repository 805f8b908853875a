"""Arguments of the parts of a config."""

import inspect
from typing import Any

from mmengine.config import ConfigDict
from mmengine.registry import Registry
from mmseg.registry import MODELS


def argument(part: ConfigDict, name: str, registry: Registry = MODELS) -> Any:
    """The value that a part gets for an argument; ``None`` if it takes none.

    Its class's default counts, or that of a base to which it passes on.
    """
    if name in part:
        return part[name]
    kind = part['type']
    for base in getattr(registry.get(kind) if isinstance(kind, str) else kind, '__mro__', ()):
        parameters = inspect.signature(base.__init__).parameters
        if name in parameters:
            return parameters[name].default
    return None
