from .channels_last_hook import ChannelsLastHook
from .frozen_norm_hook import FrozenNormHook

__all__ = ['ChannelsLastHook', 'FrozenNormHook']
