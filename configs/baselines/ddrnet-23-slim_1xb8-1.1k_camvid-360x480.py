# mmseg's DDRNet-23-slim from random weights, trained like ESeg-Lite-S and for as long.
_base_ = [
    '../_base_/models/ddrnet_23_slim.py',
    '../_base_/datasets/camvid_jitter_360x480.py',
    '../_base_/schedules/adamw_1.5k.py',
    '../_base_/default_runtime.py',
]
max_iters = 1100
min_kept = 8 * 360 * 480 // 64
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(
        num_classes=_base_.num_classes,
        loss_decode=[
            {**loss, 'min_kept': min_kept} for loss in _base_.model.decode_head.loss_decode
        ],
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0, begin=50, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters)
