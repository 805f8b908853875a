# ESeg-Lite-M: an encoder of Fused-MBConv blocks, two BiFPN cells of 80 channels over P3 to P9.
# It has no public ImageNet weights.
_base_ = './eseg_lite_s.py'
model = dict(
    backbone=dict(arch='eseg-lite-m'),
    neck=dict(in_channels=[24, 64, 192], channels=80, num_repeats=2),
    decode_head=dict(in_channels=[80] * 7, channels=80),
)
