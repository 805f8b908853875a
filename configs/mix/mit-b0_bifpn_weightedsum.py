# SegFormer's encoder MiT-B0 under ESeg's neck and head; the optimiser is SegFormer's.
_base_ = [
    '../_base_/models/mix.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
backbone = dict(
    type='MixVisionTransformer',
    embed_dims=32,
    num_layers=[2, 2, 2, 2],
    num_heads=[1, 2, 5, 8],
    qkv_bias=True,
    drop_path_rate=0.1,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segformer/mit_b0_20220624-7e0fe6dd.pth',
    ),
)
neck = dict(
    type='BiFPN', in_channels=[32, 64, 160, 256], channels=96, num_outs=6, norm_cfg=_base_.norm_cfg
)
head = dict(type='WeightedSumHead', in_channels=[96] * 6, channels=96)
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    backbone=backbone,
    neck=neck,
    decode_head=head,
)
optim_wrapper = dict(optimizer=dict(_delete_=True, type='AdamW', lr=6e-5, weight_decay=0.01))
