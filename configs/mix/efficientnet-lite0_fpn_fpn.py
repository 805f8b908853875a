# EfficientNet-Lite0 under mmseg's FPN and its head; mean and std are those of its weights.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(
    type='EfficientNet',
    arch='lite0',
    out_indices=(1, 2, 3, 4),
    norm_cfg=dict(type='SyncBN', eps=1e-3, momentum=0.01, requires_grad=True),
    init_cfg=dict(
        type='Pretrained',
        checkpoint='hub:efficientnet-lite0_imagenet',
        prefix='backbone.',
    ),
)
neck = dict(
    type='FPN',
    in_channels=[24, 40, 112, 320],
    out_channels=128,
    num_outs=4,
    norm_cfg=_base_.norm_cfg,
)
head = dict(
    type='FPNHead',
    in_channels=[128] * 4,
    in_index=[0, 1, 2, 3],
    feature_strides=[4, 8, 16, 32],
    channels=64,
)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size, mean=[127.0] * 3, std=[128.0] * 3),
    backbone=backbone,
    neck=neck,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
