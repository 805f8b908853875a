_base_ = './deeplabv3plus-lite0_imagenet-pre_1xb8-0.8k_camvid-360x480.py'
model = dict(backbone=dict(init_cfg=None))
