# ResNet-50 with batch norm's usual epsilon and momentum in the encoder, as in eseg-r50_….
_base_ = './deeplabv3plus-b1-os16_1xb16-90k_cityscapes-512x1024.py'
backbone = dict(
    _delete_=True,
    type='AtrousResNet',
    depth=50,
    out_indices=(0, 3),
    output_stride=16,
    norm_cfg=dict(type='SyncBN', requires_grad=True),
    init_cfg=dict(type='Pretrained', checkpoint='hub:resnet50_imagenet', prefix='backbone.'),
)
model = dict(backbone=backbone, decode_head=dict(in_channels=[256, 2048]))
