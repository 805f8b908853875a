_base_ = './espnetv2-s1.0_1xb40-26.5k_voc12aug-256x256.py'
model = dict(backbone=dict(width_multiplier=0.5), neck=dict(in_channels=[16, 32, 64, 128]))
load_from = 'hub:espnetv2-s0.5_imagenet'
