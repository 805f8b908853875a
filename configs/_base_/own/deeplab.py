# DeepLabv3+ on EfficientNet-Lite0 at output stride 16; the encoder is that of eseg.py.
_base_ = './eseg.py'
model = dict(
    backbone=dict(out_indices=(1, 4), output_stride=16),
    neck=None,
    decode_head=dict(
        _delete_=True,
        type='DeepLabV3PlusHead',
        in_channels=[24, 320],
        num_classes=19,
        norm_cfg=dict(type='SyncBN', eps=1e-3, requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='WeightedCrossEntropy'),
    ),
)
