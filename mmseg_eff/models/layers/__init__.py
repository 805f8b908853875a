from .init import KAIMING_FAN_OUT
from .norm_act import norm_act

__all__ = ['KAIMING_FAN_OUT', 'norm_act']
