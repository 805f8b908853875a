# ESeg's training shortened to 2000 iterations of 8 images, 44 epochs of CamVid (367 images): the
# learning rate is 0.08 * 8 / 16, and the averaged weights reach back over the same share of the
# training as in 90k iterations, 0.0002 * 90000 / 2000.
_base_ = './sgd_cosine.py'
max_iters = 2000
optimizer = dict(lr=0.04)
optim_wrapper = dict(optimizer=optimizer)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=46, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0, begin=46, end=max_iters, by_epoch=False),
]
train_cfg = dict(type='ResumableIterBasedTrainLoop', max_iters=max_iters, val_interval=100)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=200))
custom_hooks = [
    dict(type='OHEMHook', heads=['decode_head'], start=0),
    dict(type='EMAHook', ema_type='RampedEMA', momentum=0.009, update_buffers=True),
]
