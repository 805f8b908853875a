from .backbone import Backbone, check_out_indices
from .init import KAIMING_FAN_OUT, he_fan_out_
from .mbconv import FusedMBConv, MBConv, same_conv
from .norm import normalise
from .norm_act import norm_act
from .output_stride import atrous_strides, check_output_stride
from .prelu import PReLU
from .pyramid import check_channels, pooled_levels, weighted_sum
from .reparam import PooledDepthwise, SubpixelConv, fold_norm, is_constant, stem_with_pool
from .train_conv import TrainConv2d
from .train_norm import TrainBatchNorm2d
from .upsample_argmax import upsample_argmax

__all__ = [
    'KAIMING_FAN_OUT',
    'Backbone',
    'FusedMBConv',
    'MBConv',
    'PReLU',
    'PooledDepthwise',
    'SubpixelConv',
    'TrainBatchNorm2d',
    'TrainConv2d',
    'atrous_strides',
    'check_channels',
    'check_out_indices',
    'check_output_stride',
    'fold_norm',
    'he_fan_out_',
    'is_constant',
    'norm_act',
    'normalise',
    'pooled_levels',
    'same_conv',
    'stem_with_pool',
    'upsample_argmax',
    'weighted_sum',
]
