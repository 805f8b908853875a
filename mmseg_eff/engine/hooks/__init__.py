from .channels_last_hook import ChannelsLastHook
from .frozen_norm_hook import FrozenNormHook
from .ohem_hook import OHEMHook
from .resume_check_hook import ResumeCheckHook
from .run_record_hook import RunRecordHook, weights_hash
from .safe_checkpoint_hook import SafeCheckpointHook
from .training_check_hook import TrainingCheckHook

__all__ = [
    'ChannelsLastHook',
    'FrozenNormHook',
    'OHEMHook',
    'ResumeCheckHook',
    'RunRecordHook',
    'SafeCheckpointHook',
    'TrainingCheckHook',
    'weights_hash',
]
