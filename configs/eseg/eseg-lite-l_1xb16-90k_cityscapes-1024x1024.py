# ESeg-Lite-L from random weights.
_base_ = [
    '../_base_/models/eseg_lite_l.py',
    '../_base_/datasets/cityscapes_crops_1024x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_90k.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
