# Fine-tuning from the official Cityscapes weights: their decoder stays 20 wide, only the last layer
# is new; the void is ignored.
_base_ = [
    '../_base_/models/espnet.py',
    '../_base_/datasets/camvid_360x480.py',
    '../_base_/schedules/adam_step.py',
    '../_base_/default_runtime.py',
]
max_iters = 2000
model = dict(
    data_preprocessor=dict(
        _base_.espnet_preprocessor,
        batch_sizes=[(270, 360), (360, 480), (450, 600)],
        ignore_to_class=None,
    ),
    backbone=dict(skip='level1'),  # as in the released decoders
    decode_head=dict(
        in_channels=(16, 131, 256),
        num_classes=11,
        channels=20,
        loss_decode=dict(class_weight=_base_.class_weight[:11]),
    ),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=2e-3, weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=50, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters, val_interval=200)
custom_hooks = [
    dict(type='ChannelsLastHook'),
    dict(type='EMAHook', ema_type='RampedEMA', momentum=0.005, update_buffers=True),
]
load_from = 'hub:espnet-p2q8_cityscapes'
