# mmseg's MobileNetV3, of output stride 8, under our DeepLabv3+ head with two low-level maps.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(
    type='MobileNetV3',
    arch='large',
    out_indices=(1, 3, 16),
    norm_cfg=_base_.norm_cfg,
    init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://contrib/mobilenet_v3_large'),
)
head = dict(
    type='DeepLabV3PlusHead', in_channels=[16, 24, 960], in_index=[0, 1, 2], output_stride=8
)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=backbone,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
