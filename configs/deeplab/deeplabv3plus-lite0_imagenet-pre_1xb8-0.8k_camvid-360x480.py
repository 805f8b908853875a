# ESeg's small CamVid training with DeepLabv3+ on the same encoder, at output stride 16. The
# decoder's 256 channels cost more: 800 iterations take ESeg's time for 1500.
_base_ = '../eseg/eseg-lite0_imagenet-pre_1xb8-1.5k_camvid-360x480.py'
max_iters = 800
model = dict(
    backbone=dict(out_indices=(1, 4), output_stride=16),
    neck=None,
    decode_head=dict(
        _delete_=True,
        type='DeepLabV3PlusHead',
        in_channels=[24, 320],
        num_classes=_base_.num_classes,
        norm_cfg=_base_.norm_cfg,
        align_corners=False,
        loss_decode=_base_.model.decode_head.loss_decode,
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0, begin=50, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters, val_interval=200)
