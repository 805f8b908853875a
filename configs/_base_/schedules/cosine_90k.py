# 484 epochs of Cityscapes (2975 images) in batches of 16; the first one warms up.
max_iters = 90000
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=186, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0, begin=186, end=max_iters, by_epoch=False),
]
train_cfg = dict(type='ResumableIterBasedTrainLoop', max_iters=max_iters, val_interval=5000)
