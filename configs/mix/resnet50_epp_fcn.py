# ResNet-50 under ESPNetv2's decoder.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(
    type='ResNet',
    depth=50,
    norm_cfg=_base_.norm_cfg,
    init_cfg=dict(type='Pretrained', checkpoint='hub:resnet50_imagenet', prefix='backbone.'),
)
neck = dict(type='EPP', in_channels=[256, 512, 1024, 2048], norm_cfg=_base_.norm_cfg)
head = dict(
    type='FCNHead', in_channels=16, channels=16, num_convs=0, concat_input=False, dropout_ratio=0
)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=backbone,
    neck=neck,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
