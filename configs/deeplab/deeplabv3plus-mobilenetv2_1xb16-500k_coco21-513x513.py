# DeepLabv3+ on MobileNetV2 pre-trained on COCO. The papers do not say how long; an author does:
# 500k iterations, 300k should be enough, all else as on VOC (tensorflow/models, issue 4234).
_base_ = [
    '../_base_/models/deeplabv3plus_mobilenetv2.py',
    '../_base_/datasets/coco21_513x513.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/schedules/sgd_poly_500k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size, test_cfg=dict(size=_base_.test_size)),
    decode_head=dict(num_classes=_base_.num_classes),
)
