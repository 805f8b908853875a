# DeepLabv3 on MobileNetV2 from ImageNet weights (the published ones had COCO, too).
_base_ = [
    '../_base_/models/deeplabv3_mobilenetv2.py',
    '../_base_/datasets/cityscapes_769x769.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/schedules/sgd_poly_90k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size, test_cfg=dict(size=_base_.test_size)),
    decode_head=dict(num_classes=_base_.num_classes),
)
