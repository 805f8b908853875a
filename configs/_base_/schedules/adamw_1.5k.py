# A short training of 8 images an iteration. Mining begins when the easy pixels are learnt; the
# encoder has half the learning rate and no weight decay.
_base_ = './sgd_cosine_2k.py'
max_iters = 1500
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.5, decay_mult=0.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0, begin=50, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters)
custom_hooks = [
    dict(type='ChannelsLastHook'),
    dict(type='OHEMHook', heads=['decode_head'], start=400),
    dict(type='EMAHook', ema_type='RampedEMA', momentum=0.01, update_buffers=True),
]
