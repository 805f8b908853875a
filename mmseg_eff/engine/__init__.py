from .hooks import ChannelsLastHook, FrozenNormHook
from .schedulers import HybridLR

__all__ = ['ChannelsLastHook', 'FrozenNormHook', 'HybridLR']
