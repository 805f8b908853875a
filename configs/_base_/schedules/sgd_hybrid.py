# ESPNetv2's training: 100 epochs of warm restarts, the decoder at ten times the encoder's rate.
# A leaf sets max_iters to 100 times epoch_length.
optimizer = dict(type='SGD', lr=0.009, momentum=0.9, weight_decay=4e-5)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=optimizer,
    paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mult=10), decode_head=dict(lr_mult=10))),
)
param_scheduler = [dict(type='HybridLR', epoch_length=119, by_epoch=False)]
train_cfg = dict(type='ResumableIterBasedTrainLoop', max_iters=11900, val_interval=1190)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='SafeCheckpointHook', by_epoch=False, interval=1190, max_keep_ckpts=3, save_best='mIoU'
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    sync_buffers=dict(type='SyncBuffersHook'),
    record=dict(type='RunRecordHook'),
    visualization=dict(type='SegVisualizationHook'),
)
