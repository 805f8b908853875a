# 300 epochs of ADE20K (20,210 images) in batches of 16; the first one warms up.
max_iters = 378900
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=1263, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0, begin=1263, end=max_iters, by_epoch=False),
]
train_cfg = dict(type='ResumableIterBasedTrainLoop', max_iters=max_iters, val_interval=12630)
