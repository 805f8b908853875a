# MobileNetV2 dilated as DeepLab's, at output stride 8, under mmseg's PSPNet head.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(
    type='AtrousMobileNetV2', output_stride=8, out_indices=(6,), norm_cfg=_base_.norm_cfg
)
head = dict(type='PSPHead', in_channels=320, channels=128)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=backbone,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
