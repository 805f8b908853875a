# 1000 epochs of Cityscapes (2975 images) with 64 of them in each batch of 128; the first one warms
# up. The paper gives the epochs and the batch, but not what an epoch is: all labelled images.
max_iters = 46500
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=46, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0, begin=46, end=max_iters, by_epoch=False),
]
train_cfg = dict(type='ResumableIterBasedTrainLoop', max_iters=max_iters, val_interval=4650)
