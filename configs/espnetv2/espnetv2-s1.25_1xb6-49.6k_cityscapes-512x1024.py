_base_ = './espnetv2-s1.0_1xb6-49.6k_cityscapes-512x1024.py'
model = dict(backbone=dict(width_multiplier=1.25), neck=dict(in_channels=[32, 80, 160, 320]))
load_from = 'work_dirs/espnetv2-s1.25_1xb25-11.9k_cityscapes-256x512/iter_11900.pth'
