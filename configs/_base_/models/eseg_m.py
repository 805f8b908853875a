# ESeg-M: EfficientNet-B4 as encoder, five BiFPN cells of 192 channels over P2 to P9.
_base_ = './eseg_s.py'
model = dict(
    backbone=dict(arch='eseg-m', init_cfg=dict(checkpoint='hub:efficientnet-b4_imagenet')),
    neck=dict(in_channels=[32, 56, 160, 448], channels=192, num_repeats=5),
    decode_head=dict(in_channels=[192] * 8, channels=192),
)
