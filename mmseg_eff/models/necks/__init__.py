from .bifpn import BiFPN
from .epp import EPP
from .pooled_levels import PooledLevels

__all__ = ['EPP', 'BiFPN', 'PooledLevels']
