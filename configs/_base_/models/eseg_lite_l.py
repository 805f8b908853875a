# ESeg-Lite-L: an encoder of Fused-MBConv blocks, three BiFPN cells of 96 channels over P3 to P9.
# It has no public ImageNet weights.
norm_cfg = dict(type='SyncBN', eps=1e-3, momentum=0.01, requires_grad=True)
act_cfg = dict(type='ReLU')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='EfficientNet',
        arch='eseg-lite-l',
        out_indices=(2, 3, 4),
        norm_cfg=norm_cfg,
    ),
    neck=dict(
        type='BiFPN',
        in_channels=[40, 112, 320],
        channels=96,
        num_outs=7,
        num_repeats=3,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
    ),
    decode_head=dict(
        type='WeightedSumHead',
        in_channels=[96] * 7,
        channels=96,
        num_classes=19,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        align_corners=False,
        loss_decode=dict(type='OHEMCrossEntropy', threshold=0.9, min_kept=131072),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
