"""Register the parts of mmseg_eff in mmseg's registries."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

MODULES = ('registry', 'models', 'datasets', 'engine', 'evaluation', 'hub')


def register() -> None:
    """Register the parts in mmseg's registries, after the fixes that mmseg needs (``compat``).

    mmengine reads checkpoints by ``checkpoint.io`` from then on. A second call changes nothing.
    """
    with without_collection():
        import_module('.compat', __package__).apply()  # before anything of mmseg is imported
        for name in MODULES:
            import_module(f'.{name}', __package__)
        import_module('.checkpoint.io', __package__).use_for_mmengine()


@contextmanager
def without_collection() -> Iterator[None]:
    """Search for no garbage meanwhile: what imports make stays, and a search takes its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
