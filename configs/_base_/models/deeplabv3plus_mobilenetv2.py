# DeepLabv3+ on MobileNetV2 as the authors ran it on ADE20K: image pooling and a 1x1 convolution for
# context, and the decoder, which reads the expanded map of stride 4.
# ImageNet weights: torchvision's, with batch norm's usual epsilon. Those from TensorFlow, after
# mmseg-eff convert_weights mobilenetv2, want eps=1e-3 and a mean and std of 127.5.
_base_ = './imagenet_preprocessor.py'
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='AtrousMobileNetV2',
        out_indices=(1, 6),
        output_stride=16,
        use_expanded_tap=True,
        norm_cfg=dict(type='SyncBN', momentum=3e-3, requires_grad=True),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='hub:mobilenetv2_imagenet',
            prefix='backbone.',
        ),
    ),
    decode_head=dict(
        type='DeepLabV3PlusHead',
        in_channels=[144, 320],
        num_classes=21,
        atrous_rates=(),
        output_stride=16,
        norm_cfg=dict(type='SyncBN', momentum=3e-4, requires_grad=True),
        loss_decode=dict(type='WeightedCrossEntropy'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
