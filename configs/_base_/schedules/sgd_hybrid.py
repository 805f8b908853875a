# ESPNetv2's training: 100 epochs of warm restarts, the decoder at ten times the encoder's rate.
# A config sets max_iters to 100 times epoch_length.
_base_ = '../hooks.py'
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
default_hooks = dict(checkpoint=dict(interval=1190))
