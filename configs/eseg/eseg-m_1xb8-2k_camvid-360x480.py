# ESeg-M from ImageNet weights, shortly trained.
_base_ = [
    '../_base_/models/eseg_m.py',
    '../_base_/datasets/camvid_360x480.py',
    '../_base_/schedules/sgd_cosine_2k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(
        num_classes=_base_.num_classes,
        # The share of the batch's pixels that 131072 is of 16 crops of 512x1024: 1 in 64.
        loss_decode=dict(min_kept=8 * 360 * 480 // 64),
    ),
)
