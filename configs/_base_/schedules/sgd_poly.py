# DeepLab's training but for its length, which schedules/sgd_poly_*.py give: SGD, weight decay on
# kernels other than depth-wise ones, biases at twice the rate. A decay of 4e-5 is that of Xception
# and MobileNetV2; ResNet has 1e-4. Batch norm is trained with batches of 12 or more, better 16;
# smaller ones need it frozen, all over the network, as the leaves of output stride 8 do.
# mmengine lets custom_keys, where they match, replace the four factors here, not multiply them.
optimizer = dict(type='SGD', lr=0.007, momentum=0.9, weight_decay=4e-5)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=optimizer,
    paramwise_cfg=dict(
        norm_decay_mult=0.0, dwconv_decay_mult=0.0, bias_decay_mult=0.0, bias_lr_mult=2.0
    ),
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='SafeCheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=3, save_best='mIoU'
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    sync_buffers=dict(type='SyncBuffersHook'),
    record=dict(type='RunRecordHook'),
    visualization=dict(type='SegVisualizationHook'),
)
