# ESeg-L: EfficientNet-B7 as encoder, six BiFPN cells of 288 channels over P2 to P9.
# Its ImageNet weights (TensorFlow's, timm's tf_efficientnet_*; others need padding='symmetric') are
# converted by tools/convert_weights.py efficientnet --padding same; without them:
# --cfg-options model.backbone.init_cfg=None
norm_cfg = dict(type='SyncBN', eps=1e-3, momentum=0.01, requires_grad=True)
act_cfg = dict(type='SiLU')
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
        arch='eseg-l',
        out_indices=(1, 2, 3, 4),
        norm_cfg=norm_cfg,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='checkpoints/efficientnet-b7_imagenet.pth',
            prefix='backbone.',
        ),
    ),
    neck=dict(
        type='BiFPN',
        in_channels=[48, 80, 224, 640],
        channels=288,
        num_outs=8,
        num_repeats=6,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
    ),
    decode_head=dict(
        type='WeightedSumHead',
        in_channels=[288] * 8,
        channels=288,
        num_classes=19,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        align_corners=False,
        loss_decode=dict(type='OHEMCrossEntropy', threshold=0.9, min_kept=131072),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
