# Fine-tuning from the official Cityscapes weights: only the classifier is new.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/camvid_360x480.py',
    '../_base_/schedules/sgd_hybrid.py',
    '../_base_/default_runtime.py',
]
max_iters = 500
model = dict(
    data_preprocessor=dict(batch_sizes=[(270, 360), (360, 480), (450, 600)]),
    backbone=dict(width_multiplier=2.0),
    neck=dict(in_channels=[32, 128, 256, 512]),
    decode_head=dict(num_classes=11, loss_decode=dict(class_weight=_base_.class_weight[:11])),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(neck=dict(lr_mult=3), decode_head=dict(lr_mult=3)),
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=25, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters, val_interval=50)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=100))
custom_hooks = [
    dict(type='ChannelsLastHook'),
    dict(type='EMAHook', ema_type='RampedEMA', momentum=0.02, update_buffers=True),
]
load_from = 'hub:espnetv2-s2.0_cityscapes'
