from .averaged_models import RampedEMA
from .hooks import (
    ChannelsLastHook,
    FrozenNormHook,
    OHEMHook,
    RunRecordHook,
    SafeCheckpointHook,
    weights_hash,
)
from .multi_source_sampler import MultiSourceSampler
from .resume import ResumableIterBasedTrainLoop, ResumableSampler
from .runner import SegRunner
from .schedulers import HybridLR

__all__ = [
    'ChannelsLastHook',
    'FrozenNormHook',
    'HybridLR',
    'MultiSourceSampler',
    'OHEMHook',
    'RampedEMA',
    'ResumableIterBasedTrainLoop',
    'ResumableSampler',
    'RunRecordHook',
    'SafeCheckpointHook',
    'SegRunner',
    'weights_hash',
]
