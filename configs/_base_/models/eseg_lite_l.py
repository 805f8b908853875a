# ESeg-Lite-L: an encoder of Fused-MBConv blocks, three BiFPN cells of 96 channels over P3 to P9.
# It has no public ImageNet weights.
_base_ = './eseg_lite_s.py'
model = dict(
    backbone=dict(arch='eseg-lite-l'),
    neck=dict(in_channels=[40, 112, 320], channels=96, num_repeats=3),
    decode_head=dict(in_channels=[96] * 7, channels=96),
)
