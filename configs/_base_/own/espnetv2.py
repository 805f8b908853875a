# ESPNetv2 of s = 2.0, as the authors released it for Cityscapes; the decoder learns faster.
_base_ = ['../models/espnetv2.py', './training.py']
model = dict(
    backbone=dict(width_multiplier=2.0),
    neck=dict(in_channels=[32, 128, 256, 512]),
)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mult=3), decode_head=dict(lr_mult=3)))
)
