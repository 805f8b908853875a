# ESeg on Lite0 from ImageNet weights.
_base_ = [
    '../_base_/models/eseg_lite0.py',
    '../_base_/datasets/camvid_jitter_360x480.py',
    '../_base_/schedules/adamw_1.5k.py',
    '../_base_/default_runtime.py',
]
loss_decode = dict(min_kept=8 * 360 * 480 // 64)  # 1 in 64 pixels of the batch
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(num_classes=_base_.num_classes, loss_decode=loss_decode),
)
