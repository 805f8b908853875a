from .espnet_head import ESPNetCHead, ESPNetHead
from .weighted_sum_head import WeightedSumHead

__all__ = ['ESPNetCHead', 'ESPNetHead', 'WeightedSumHead']
