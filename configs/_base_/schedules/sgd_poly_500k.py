# 85 epochs of COCO's images with VOC's classes (about 94,600) in batches of 16.
max_iters = 500000
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0, begin=0, end=max_iters, by_epoch=False)
]
train_cfg = dict(type='ResumableIterBasedTrainLoop', max_iters=max_iters, val_interval=20000)
