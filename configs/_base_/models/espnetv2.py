# ESPNetv2 with the EPP decoder (CVPR'19); s = 1.0, 20 outputs. The classifier is the thin head.
_base_ = './imagenet_preprocessor.py'
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='MultiSizeDataPreProcessor'),
    backbone=dict(type='ESPNetv2', width_multiplier=1.0, norm_cfg=norm_cfg),
    neck=dict(type='EPP', in_channels=[32, 64, 128, 256], proj_channels=10, norm_cfg=norm_cfg),
    decode_head=dict(
        type='FCNHead',
        in_channels=10,
        channels=10,
        in_index=0,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        num_classes=20,
        align_corners=True,
        loss_decode=dict(type='WeightedCrossEntropy'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
