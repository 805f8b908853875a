# Xception at output stride 32 under mmseg's head for large backbones.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(type='Xception', arch='41', output_stride=32, norm_cfg=_base_.norm_cfg)
head = dict(type='UPerHead', in_channels=[256, 728, 728, 2048], in_index=[0, 1, 2, 3], channels=256)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=backbone,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
