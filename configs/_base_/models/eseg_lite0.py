# A small ESeg of parts with public ImageNet weights: EfficientNet-Lite0 and three BiFPN cells of 64
# channels over P2 to P9. tools/convert_weights.py efficientnet converts the weights, which were
# trained with this mean and std; without them: --cfg-options model.backbone.init_cfg=None
norm_cfg = dict(type='SyncBN', eps=1e-3, momentum=0.01, requires_grad=True)
act_cfg = dict(type='ReLU')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.0, 127.0, 127.0],
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='EfficientNet',
        arch='lite0',
        out_indices=(1, 2, 3, 4),
        norm_cfg=norm_cfg,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='checkpoints/efficientnet-lite0_imagenet.pth',
            prefix='backbone.',
        ),
    ),
    neck=dict(
        type='BiFPN',
        in_channels=[24, 40, 112, 320],
        channels=64,
        num_outs=8,
        num_repeats=3,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
    ),
    decode_head=dict(
        type='WeightedSumHead',
        in_channels=[64] * 8,
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
