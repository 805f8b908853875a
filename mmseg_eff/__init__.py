"""Efficient semantic segmentation for MMSegmentation: importing it registers its parts."""

from . import compat

compat.apply()  # before anything of mmseg is imported

from . import converters, datasets, engine, evaluation, models, registry  # noqa: E402

__version__ = '0.1.0'
__all__ = ['__version__', 'converters', 'datasets', 'engine', 'evaluation', 'models', 'registry']
