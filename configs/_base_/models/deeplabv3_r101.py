# DeepLabv3: ResNet-101 at output stride 16 with multi-grid, full (not separable) ASPP, no decoder.
# ImageNet weights: torchvision's.
_base_ = './imagenet_preprocessor.py'
norm_cfg = dict(type='SyncBN', momentum=3e-4, requires_grad=True)
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='AtrousResNet',
        depth=101,
        out_indices=(3,),
        output_stride=16,
        multi_grid=(1, 2, 4),
        norm_cfg=norm_cfg,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='hub:resnet101_imagenet',
            prefix='backbone.',
        ),
    ),
    decode_head=dict(
        type='DeepLabV3Head',
        in_channels=2048,
        num_classes=21,
        atrous_rates=(6, 12, 18),
        output_stride=16,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='WeightedCrossEntropy'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
