# ESeg-S: EfficientNet-B1 as encoder, four BiFPN cells of 96 channels over P2 to P9.
# Its ImageNet weights are TensorFlow's (timm's tf_efficientnet_*; those of other trainings need
# padding='symmetric'); without them: --cfg-options model.backbone.init_cfg=None
_base_ = './imagenet_preprocessor.py'
norm_cfg = dict(type='SyncBN', eps=1e-3, momentum=0.01, requires_grad=True)
act_cfg = dict(type='SiLU')
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='EfficientNet',
        arch='eseg-s',
        out_indices=(1, 2, 3, 4),
        norm_cfg=norm_cfg,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='hub:efficientnet-b1_imagenet',
            prefix='backbone.',
        ),
    ),
    neck=dict(
        type='BiFPN',
        in_channels=[24, 40, 112, 320],
        channels=96,
        num_outs=8,
        num_repeats=4,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
    ),
    decode_head=dict(
        type='WeightedSumHead',
        in_channels=[96] * 8,
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
