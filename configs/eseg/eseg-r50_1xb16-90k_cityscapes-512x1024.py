# ResNet-50 as encoder, the form with the stride in the 3x3 convolution (v1.5). Its weights were
# trained with batch norm's usual epsilon and momentum.
_base_ = './eseg-s_1xb16-90k_cityscapes-512x1024.py'
backbone = dict(
    _delete_=True,
    type='ResNet',
    depth=50,
    style='pytorch',
    out_indices=(0, 1, 2, 3),
    norm_cfg=dict(type='SyncBN', requires_grad=True),
    init_cfg=dict(type='Pretrained', checkpoint='hub:resnet50_imagenet', prefix='backbone.'),
)
model = dict(backbone=backbone, neck=dict(in_channels=[256, 512, 1024, 2048]))
