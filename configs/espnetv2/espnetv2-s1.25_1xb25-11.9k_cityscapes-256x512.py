_base_ = './espnetv2-s1.0_1xb25-11.9k_cityscapes-256x512.py'
model = dict(backbone=dict(width_multiplier=1.25), neck=dict(in_channels=[32, 80, 160, 320]))
load_from = 'hub:espnetv2-s1.25_imagenet'
