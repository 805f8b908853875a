# The 500-iteration fine-tuning shortened, on a quarter of the labels.
_base_ = [
    './espnetv2-s0.5_cityscapes-pre_1xb8-0.5k_camvid-360x480.py',
    '../_base_/datasets/camvid_quarter.py',
]
max_iters = 200
train_dataloader = dict(dataset=_base_.quarter)
model = dict(decode_head=dict(loss_decode=dict(class_weight=_base_.quarter_weight)))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=25, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters, val_interval=200)
