# ESeg-L: EfficientNet-B7 as encoder, six BiFPN cells of 288 channels over P2 to P9.
_base_ = './eseg_s.py'
model = dict(
    backbone=dict(arch='eseg-l', init_cfg=dict(checkpoint='hub:efficientnet-b7_imagenet')),
    neck=dict(in_channels=[48, 80, 224, 640], channels=288, num_repeats=6),
    decode_head=dict(in_channels=[288] * 8, channels=288),
)
