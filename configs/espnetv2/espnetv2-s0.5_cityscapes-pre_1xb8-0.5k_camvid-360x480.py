_base_ = './espnetv2-s2.0_cityscapes-pre_1xb8-0.5k_camvid-360x480.py'
model = dict(backbone=dict(width_multiplier=0.5), neck=dict(in_channels=[16, 32, 64, 128]))
load_from = 'hub:espnetv2-s0.5_cityscapes'
