# ESeg-Lite-S: an encoder of Fused-MBConv blocks, one BiFPN cell of 64 channels over P3 to P9.
# It has no public ImageNet weights.
_base_ = './imagenet_preprocessor.py'
norm_cfg = dict(type='SyncBN', eps=1e-3, momentum=0.01, requires_grad=True)
act_cfg = dict(type='ReLU')
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='EfficientNet',
        arch='eseg-lite-s',
        out_indices=(2, 3, 4),
        norm_cfg=norm_cfg,
    ),
    neck=dict(
        type='BiFPN',
        in_channels=[16, 48, 128],
        channels=64,
        num_outs=7,
        num_repeats=1,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
    ),
    decode_head=dict(
        type='WeightedSumHead',
        in_channels=[64] * 7,
        channels=64,
        num_classes=19,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        align_corners=False,
        loss_decode=dict(type='OHEMCrossEntropy', threshold=0.9, min_kept=131072),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
