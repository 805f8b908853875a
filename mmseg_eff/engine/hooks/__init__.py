from .channels_last_hook import ChannelsLastHook
from .frozen_norm_hook import FrozenNormHook
from .ohem_hook import OHEMHook

__all__ = ['ChannelsLastHook', 'FrozenNormHook', 'OHEMHook']
