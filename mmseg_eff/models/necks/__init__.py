from .epp import EPP

__all__ = ['EPP']
