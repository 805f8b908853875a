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
from .hybrid_lr import HybridLR
from .ramped_ema import RampedEMA
from .runner import SegRunner, register_checks
from .samplers.multi_source_sampler import MultiSourceSampler
from .samplers.resumable_sampler import ResumableSampler
from .train_loop import ResumableEpochBasedTrainLoop, ResumableIterBasedTrainLoop

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
