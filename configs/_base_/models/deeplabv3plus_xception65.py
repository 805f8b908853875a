# DeepLabv3+ on aligned Xception-65: separable ASPP at output stride 16, decoder at stride 4.
# ImageNet weights: the authors' in timm's files, which take pixels scaled to [-1, 1].
_base_ = './imagenet_preprocessor.py'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),
    backbone=dict(
        type='Xception',
        arch='65',
        out_indices=(0, 3),
        output_stride=16,
        norm_cfg=dict(type='SyncBN', eps=1e-3, momentum=3e-4, requires_grad=True),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='hub:xception65_imagenet',
            prefix='backbone.',
        ),
    ),
    decode_head=dict(
        type='DeepLabV3PlusHead',
        in_channels=[256, 2048],
        num_classes=21,
        atrous_rates=(6, 12, 18),
        output_stride=16,
        norm_cfg=dict(type='SyncBN', momentum=3e-4, requires_grad=True),
        loss_decode=dict(type='WeightedCrossEntropy'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
