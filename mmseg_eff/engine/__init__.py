from .averaged_models import RampedEMA
from .hooks import (
    ChannelsLastHook,
    FrozenNormHook,
    OHEMHook,
    RunRecordHook,
    SafeCheckpointHook,
    TrainingCheckHook,
    weights_hash,
)
from .multi_source_sampler import MultiSourceSampler
from .resume import (
    ResumableEpochBasedTrainLoop,
    ResumableIterBasedTrainLoop,
    ResumableSampler,
)
from .runner import SegRunner
from .schedulers import HybridLR

__all__ = [
    'ChannelsLastHook',
    'FrozenNormHook',
    'HybridLR',
    'MultiSourceSampler',
    'OHEMHook',
    'RampedEMA',
    'ResumableEpochBasedTrainLoop',
    'ResumableIterBasedTrainLoop',
    'ResumableSampler',
    'RunRecordHook',
    'SafeCheckpointHook',
    'SegRunner',
    'TrainingCheckHook',
    'weights_hash',
]
