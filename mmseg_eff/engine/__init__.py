from .averaged_models import RampedEMA
from .hooks import ChannelsLastHook, FrozenNormHook, OHEMHook
from .schedulers import HybridLR

__all__ = ['ChannelsLastHook', 'FrozenNormHook', 'HybridLR', 'OHEMHook', 'RampedEMA']
