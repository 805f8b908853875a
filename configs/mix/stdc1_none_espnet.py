# STDC1 under ESPNet's decoder, on its maps at 1/8, 1/16 and 1/32.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(
    type='STDCNet',
    stdc_type='STDCNet1',
    in_channels=3,
    channels=(32, 64, 256, 512, 1024),
    bottleneck_type='cat',
    norm_cfg=_base_.norm_cfg,
    act_cfg=dict(type='ReLU'),
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/stdc/stdc1_20220308-5368626c.pth',
    ),
)
head = dict(type='ESPNetHead', in_channels=[256, 512, 1024], channels=64)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=backbone,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
