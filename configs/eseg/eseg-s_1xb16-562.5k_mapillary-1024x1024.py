# Pre-training of ESeg-S for Cityscapes. The paper states neither batch size nor learning rate;
# both are those of its other trainings.
_base_ = [
    '../_base_/models/eseg_s.py',
    '../_base_/datasets/mapillary_1024x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_562_5k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=_base_.num_classes)
)
