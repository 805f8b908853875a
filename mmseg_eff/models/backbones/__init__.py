from .espnet import ESPNet

__all__ = ['ESPNet']
