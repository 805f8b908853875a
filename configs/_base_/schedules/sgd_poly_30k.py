# 45 epochs of PASCAL VOC 2012 with the additional labels (10,582 images) in batches of 16.
max_iters = 30000
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0, begin=0, end=max_iters, by_epoch=False)
]
train_cfg = dict(type='ResumableIterBasedTrainLoop', max_iters=max_iters, val_interval=3000)
