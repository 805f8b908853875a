# EfficientNet at output stride 16 under our DeepLabv3+ head.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(
    type='EfficientNet',
    arch='b0',
    out_indices=(1, 4),
    output_stride=16,
    norm_cfg=dict(type='SyncBN', eps=1e-3, momentum=0.01, requires_grad=True),
    init_cfg=dict(
        type='Pretrained',
        checkpoint='hub:efficientnet-b0_imagenet',
        prefix='backbone.',
    ),
)
head = dict(type='DeepLabV3PlusHead', in_channels=[24, 320])
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=backbone,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
