# The demo's training shortened, on a quarter of the labels.
_base_ = [
    './espnet-p2q3_1xb8-0.6k_toystreet-128x256.py',
    '../_base_/datasets/toystreet_quarter.py',
]
max_iters = 300
train_dataloader = dict(dataset=_base_.quarter)
param_scheduler = [dict(type='PolyLR', power=0.9, end=max_iters, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=max_iters))
