# ESPNetv2 (s = 2.0) under SegFormer's head in place of EPP.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(type='ESPNetv2', width_multiplier=2.0, norm_cfg=_base_.norm_cfg)
head = dict(
    type='SegformerHead', in_channels=[32, 128, 256, 512], in_index=[0, 1, 2, 3], channels=128
)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=backbone,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
