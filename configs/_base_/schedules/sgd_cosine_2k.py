# ESeg's training shortened to 2000 iterations of 8 images, 44 epochs of CamVid (367 images): the
# learning rate is 0.08 * 8 / 16, and the averaged weights reach back over the same share of the
# training as in 90k iterations, 0.0002 * 90000 / 2000.
max_iters = 2000
optimizer = dict(type='SGD', lr=0.04, momentum=0.9, weight_decay=5e-5)
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
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=46, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0, begin=46, end=max_iters, by_epoch=False),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook', by_epoch=False, interval=200, max_keep_ckpts=3, save_best='mIoU'
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
)
custom_hooks = [
    dict(type='OHEMHook', heads=['decode_head'], start=0),
    dict(type='EMAHook', ema_type='RampedEMA', momentum=0.009, update_buffers=True),
]
