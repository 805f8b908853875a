# What the pairings of configs/mix share; a config names backbone, neck, and the head's type and
# width. They are starting points: none has been trained yet.
# Backbones start from published ImageNet weights, mmseg's from those that its own configs name,
# or else from random ones. Without any download: --cfg-options model.backbone.init_cfg=None
_base_ = './imagenet_preprocessor.py'
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    decode_head=dict(
        num_classes=19,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='OHEMCrossEntropy', threshold=0.9, min_kept=131072),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
