# DeepLabv2: ResNet-101 at output stride 8 on three sizes of the image, four atrous classifiers.
# Batch norm keeps its ImageNet statistics, scale and shift. ImageNet weights: torchvision's.
_base_ = './imagenet_preprocessor.py'
norm_cfg = dict(type='SyncBN', requires_grad=False)
model = dict(
    type='MultiScaleEncoderDecoder',
    scales=(0.5, 0.75, 1.0),
    fusion='max',
    backbone=dict(
        type='AtrousResNet',
        depth=101,
        out_indices=(3,),
        output_stride=8,
        norm_cfg=norm_cfg,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='hub:resnet101_imagenet',
            prefix='backbone.',
        ),
    ),
    decode_head=dict(
        type='DeepLabV2Head',
        in_channels=2048,
        num_classes=21,
        atrous_rates=(6, 12, 18, 24),
        loss_decode=dict(type='WeightedCrossEntropy'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
