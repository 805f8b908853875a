from .cache import cache_folder, get, resolve
from .index import Weights, find, published, weights_of

__all__ = [
    'Weights',
    'cache_folder',
    'find',
    'get',
    'published',
    'resolve',
    'weights_of',
]
