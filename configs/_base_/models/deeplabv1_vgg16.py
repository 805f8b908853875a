# DeepLabv1 (LargeFOV): VGG-16 at output stride 8, its fully connected layers as convolutions.
# ImageNet weights: torchvision's, for the encoder; the head starts anew.
_base_ = './imagenet_preprocessor.py'
model = dict(
    type='EncoderDecoder',
    backbone=dict(
        type='AtrousVGG',
        out_indices=(4,),
        output_stride=8,
        use_average_pool=True,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='hub:vgg16_imagenet',
            prefix='backbone.',
        ),
    ),
    decode_head=dict(
        type='DeepLabV1Head',
        in_channels=512,
        num_classes=21,
        atrous_rate=12,
        loss_decode=dict(type='WeightedCrossEntropy'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
