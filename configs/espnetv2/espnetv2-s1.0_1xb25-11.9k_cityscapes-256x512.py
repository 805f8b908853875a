# Stage 1: crops at a quarter to half of the image size, from ImageNet weights of the same s.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/cityscapes_256x512.py',
    '../_base_/schedules/sgd_hybrid.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(
        # The 20th output has no label and weight 0, as in the official files.
        loss_decode=dict(class_weight=[*_base_.class_weight[:19], 0.0])
    ),
)
load_from = 'hub:espnetv2-s1.0_imagenet'
