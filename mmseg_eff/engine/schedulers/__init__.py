from .hybrid_lr import HybridLR

__all__ = ['HybridLR']
