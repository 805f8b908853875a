# What the pairings of configs/mix share; a leaf names backbone, neck and the head's type and width.
# They are starting points: none has been trained yet.
# mmseg's backbones start from the weights that mmseg's own configs name, EfficientNet from those
# that tools/convert_weights.py converts, the others from random ones. Without any download:
# --cfg-options model.backbone.init_cfg=None
norm_cfg = dict(type='SyncBN', requires_grad=True)
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
    decode_head=dict(
        num_classes=19,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='OHEMCrossEntropy', threshold=0.9, min_kept=131072),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
