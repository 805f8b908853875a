from .cache import cache_folder, get, resolve, weights_at
from .index import Weights, find, published, weights_of

__all__ = [
    'Weights',
    'cache_folder',
    'find',
    'get',
    'published',
    'resolve',
    'weights_at',
    'weights_of',
]
