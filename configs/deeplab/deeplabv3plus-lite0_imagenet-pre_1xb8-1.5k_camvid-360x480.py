# ESeg's small CamVid training with DeepLabv3+ behind the same encoder, at output stride 16.
_base_ = '../eseg/eseg-lite0_imagenet-pre_1xb8-1.5k_camvid-360x480.py'
model = dict(
    backbone=dict(out_indices=(1, 4), output_stride=16),
    neck=None,
    decode_head=dict(
        _delete_=True,
        type='DeepLabV3PlusHead',
        in_channels=[24, 320],
        num_classes=_base_.num_labels,
        norm_cfg=_base_.norm_cfg,
        align_corners=False,
        loss_decode=_base_.model.decode_head.loss_decode,
    ),
)
