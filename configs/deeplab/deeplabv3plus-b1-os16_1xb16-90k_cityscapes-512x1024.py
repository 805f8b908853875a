# EfficientNet-B1 at output stride 16 ("w/ atrous"), trained as ESeg-S.
_base_ = [
    '../_base_/models/deeplabv3plus_b1.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
