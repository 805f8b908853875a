# The demo: both stages in one from random weights, minutes on a laptop's CPU.
_base_ = [
    '../_base_/models/espnet.py',
    '../_base_/datasets/toystreet_128x256.py',
    '../_base_/schedules/adam_step.py',
    '../_base_/default_runtime.py',
]
max_iters = 600
model = dict(
    data_preprocessor=dict(mean=(100.0, 100.0, 100.0), std=(50.0, 50.0, 50.0)),
    backbone=dict(num_blocks=(2, 3)),
    decode_head=dict(num_classes=9, channels=20),
)
optim_wrapper = dict(optimizer=dict(lr=4e-3, weight_decay=0.0))
param_scheduler = [dict(type='PolyLR', power=0.9, end=max_iters, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=max_iters, max_keep_ckpts=1, save_best=None),
)
custom_hooks = [dict(type='ChannelsLastHook')]
