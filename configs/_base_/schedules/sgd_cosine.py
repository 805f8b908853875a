# ESeg's training but for its length, which schedules/cosine_*.py give: SGD with weight decay on
# kernels only, gradients clipped to norm 10, mining of hard pixels, averaged weights.
# The paper's learning rate of 0.08 may be meant for a batch of 64, as EfficientDet's settings are:
# that is 0.02 at 16, which --cfg-options optim_wrapper.optimizer.lr=0.02 sets.
_base_ = '../hooks.py'
optimizer = dict(type='SGD', lr=0.08, momentum=0.9, weight_decay=5e-5)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=optimizer,
    clip_grad=dict(max_norm=10),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys=dict(fusion_weights=dict(decay_mult=0.0), level_weights=dict(decay_mult=0.0)),
    ),
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
custom_hooks = [
    dict(type='OHEMHook', heads=['decode_head'], start=0),
    dict(type='EMAHook', ema_type='RampedEMA', momentum=0.0002, update_buffers=True),
]
