# DeepLabv3+ on EfficientNet-B1 as the ESeg paper compares with it (Table 8): full ASPP, separable
# decoder; all else is ESeg-S's. Figures of Table 8 decide the ASPP: a separable one does not fit.
# ImageNet weights: as ESeg-S's.
_base_ = './imagenet_preprocessor.py'
norm_cfg = dict(type='SyncBN', eps=1e-3, momentum=0.01, requires_grad=True)
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='EfficientNet',
        arch='b1',
        out_indices=(1, 4),
        output_stride=16,
        norm_cfg=norm_cfg,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='hub:efficientnet-b1_imagenet',
            prefix='backbone.',
        ),
    ),
    decode_head=dict(
        type='DeepLabV3PlusHead',
        in_channels=[24, 320],
        num_classes=19,
        atrous_rates=(6, 12, 18),
        output_stride=16,  # keeps the rates, whatever the encoder's is
        use_separable=False,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='OHEMCrossEntropy', threshold=0.9, min_kept=131072),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
