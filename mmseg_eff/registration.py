"""Register the parts of mmseg_eff in mmseg's registries."""

from importlib import import_module

MODULES = ('registry', 'models', 'datasets', 'engine', 'evaluation', 'hub')


def register() -> None:
    """Register the parts in mmseg's registries, after the fixes that mmseg needs (``compat``).

    mmengine reads checkpoints by ``checkpoint.io`` from then on. A second call changes nothing.
    """
    import_module('.compat', __package__).apply()  # before anything of mmseg is imported
    for name in MODULES:
        import_module(f'.{name}', __package__)
    import_module('.checkpoint.io', __package__).use_for_mmengine()
