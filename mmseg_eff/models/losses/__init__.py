from .ohem_cross_entropy import OHEMCrossEntropy
from .weighted_cross_entropy import WeightedCrossEntropy

__all__ = ['OHEMCrossEntropy', 'WeightedCrossEntropy']
