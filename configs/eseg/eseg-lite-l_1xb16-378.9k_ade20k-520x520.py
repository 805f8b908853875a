# ESeg-Lite-L from random weights.
_base_ = [
    '../_base_/models/eseg_lite_l.py',
    '../_base_/datasets/ade20k_520x520.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_378_9k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=_base_.num_classes)
)
