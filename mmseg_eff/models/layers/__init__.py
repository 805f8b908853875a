from .norm_act import norm_act

__all__ = ['norm_act']
