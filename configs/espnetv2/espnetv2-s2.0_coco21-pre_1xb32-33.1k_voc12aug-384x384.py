# As the config of s = 1.0.
_base_ = './espnetv2-s1.0_1xb32-33.1k_voc12aug-384x384.py'
model = dict(backbone=dict(width_multiplier=2.0), neck=dict(in_channels=[32, 128, 256, 512]))
load_from = 'work_dirs/espnetv2-s2.0_1xb40-236.5k_coco21-256x256/iter_236500.pth'
