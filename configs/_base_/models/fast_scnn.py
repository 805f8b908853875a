# mmseg's Fast-SCNN, as its own file has it.
_base_ = './imagenet_preprocessor.py'
norm_cfg = dict(type='SyncBN', requires_grad=True, momentum=0.01)
head = dict(
    concat_input=False,
    num_classes=19,
    norm_cfg=norm_cfg,
    align_corners=False,
)
auxiliary_head = dict(
    type='FCNHead',
    channels=32,
    num_convs=1,
    loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4),
    **head,
)
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='FastSCNN', norm_cfg=norm_cfg, align_corners=False),
    decode_head=dict(
        type='DepthwiseSeparableFCNHead',
        in_channels=128,
        channels=128,
        in_index=-1,
        loss_decode=dict(type='OHEMCrossEntropy', threshold=0.9, min_kept=131072),
        **head,
    ),
    auxiliary_head=[
        dict(in_channels=128, in_index=-2, **auxiliary_head),
        dict(in_channels=64, in_index=-3, **auxiliary_head),
    ],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
