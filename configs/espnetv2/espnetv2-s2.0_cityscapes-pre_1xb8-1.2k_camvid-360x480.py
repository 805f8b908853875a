# Half the learning rate and more than twice the length of the 500-iteration fine-tuning.
_base_ = './espnetv2-s2.0_cityscapes-pre_1xb8-0.5k_camvid-360x480.py'
max_iters = 1200
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=25, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters, val_interval=100)
