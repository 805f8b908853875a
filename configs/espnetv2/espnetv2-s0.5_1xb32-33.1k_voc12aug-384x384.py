_base_ = './espnetv2-s1.0_1xb32-33.1k_voc12aug-384x384.py'
model = dict(backbone=dict(width_multiplier=0.5), neck=dict(in_channels=[16, 32, 64, 128]))
load_from = 'work_dirs/espnetv2-s0.5_1xb40-26.5k_voc12aug-256x256/iter_26500.pth'
