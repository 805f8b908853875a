_base_ = [
    './eseg-lite0_imagenet-pre_1xb8-1.5k_camvid-360x480.py',
    '../_base_/datasets/camvid_quarter.py',
]
train_dataloader = dict(dataset=_base_.quarter)
