# DeepLabv3+ on Xception-65 from ImageNet weights (the published ones had COCO, too); batch norm is
# trained. At output stride 8: deeplabv3plus-xception65-os8_….
_base_ = [
    '../_base_/models/deeplabv3plus_xception65.py',
    '../_base_/datasets/voc12aug_513x513.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/schedules/sgd_poly_30k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size, test_cfg=dict(size=_base_.test_size)),
    decode_head=dict(num_classes=_base_.num_classes),
)
