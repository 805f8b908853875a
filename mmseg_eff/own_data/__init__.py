from .run import NewConfig, make_config

__all__ = ['NewConfig', 'make_config']
