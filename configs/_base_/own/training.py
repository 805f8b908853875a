# A training of any length: a config sets max_iters, and with it
#     param_scheduler = [_base_.warmup, dict(_base_.decay, end=max_iters)]
_base_ = ['../hooks.py', '../default_runtime.py']
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    clip_grad=dict(max_norm=10),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
warmup = dict(type='LinearLR', start_factor=0.1, begin=0, end=25, by_epoch=False)
decay = dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=25, by_epoch=False)
train_cfg = dict(type='ResumableIterBasedTrainLoop')
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=200))
custom_hooks = [
    dict(type='ChannelsLastHook'),
    dict(type='EMAHook', ema_type='RampedEMA', momentum=0.01, update_buffers=True),
]
