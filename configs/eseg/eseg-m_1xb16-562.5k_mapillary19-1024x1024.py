# Pre-training of ESeg-M in Cityscapes' own classes, otherwise as in the 66 of Mapillary.
_base_ = [
    '../_base_/models/eseg_m.py',
    '../_base_/datasets/mapillary19_1024x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_562_5k.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
