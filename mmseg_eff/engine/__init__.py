from .averaged_models import RampedEMA
from .hooks import (
    ChannelsLastHook,
    FrozenNormHook,
    OHEMHook,
    ResumeCheckHook,
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
from .runner import SegRunner, register_checks
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
    'ResumeCheckHook',
    'RunRecordHook',
    'SafeCheckpointHook',
    'SegRunner',
    'TrainingCheckHook',
    'register_checks',
    'weights_hash',
]
