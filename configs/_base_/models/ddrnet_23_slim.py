# mmseg's DDRNet-23-slim, which has no file of its own there.
_base_ = './imagenet_preprocessor.py'
norm_cfg = dict(type='SyncBN', requires_grad=True)
loss_decode = dict(type='OHEMCrossEntropy', threshold=0.9, min_kept=131072)
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='DDRNet', channels=32, ppm_channels=128, norm_cfg=norm_cfg),
    decode_head=dict(
        type='DDRHead',
        in_channels=128,
        channels=64,
        dropout_ratio=0.0,
        num_classes=19,
        align_corners=False,
        norm_cfg=norm_cfg,
        loss_decode=[loss_decode, dict(**loss_decode, loss_weight=0.4)],  # the second at 1/8
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
