# mmseg's MobileNetV2 under ESeg's neck and head.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(
    type='MobileNetV2',
    out_indices=(1, 2, 4, 6),
    norm_cfg=_base_.norm_cfg,
    init_cfg=dict(type='Pretrained', checkpoint='hub:mobilenetv2_imagenet', prefix='backbone.'),
)
neck = dict(
    type='BiFPN', in_channels=[24, 32, 96, 320], channels=96, num_outs=6, norm_cfg=_base_.norm_cfg
)
head = dict(type='WeightedSumHead', in_channels=[96] * 6, channels=96)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=backbone,
    neck=neck,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
