# Swin-T under ESPNetv2's decoder; the optimiser is mmseg's for Swin.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(
    type='SwinTransformer',
    drop_path_rate=0.3,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/swin_tiny_patch4_window7_224_20220317-1cdeb081.pth',
    ),
)
neck = dict(type='EPP', in_channels=[96, 192, 384, 768], norm_cfg=_base_.norm_cfg)
head = dict(
    type='FCNHead', in_channels=16, channels=16, num_convs=0, concat_input=False, dropout_ratio=0
)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=backbone,
    neck=neck,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=6e-5, weight_decay=0.01))
