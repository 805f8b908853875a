_base_ = './espnetv2-s1.0_1xb40-236.5k_coco21-256x256.py'
model = dict(backbone=dict(width_multiplier=2.0), neck=dict(in_channels=[32, 128, 256, 512]))
load_from = 'hub:espnetv2-s2.0_imagenet'
