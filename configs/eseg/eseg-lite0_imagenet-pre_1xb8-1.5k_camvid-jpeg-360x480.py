# ESeg on Lite0 for photos: half of the training images are compressed as cameras do.
_base_ = './eseg-lite0_imagenet-pre_1xb8-1.5k_camvid-360x480.py'
train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='RandomJPEG', prob=0.5, quality=(30, 95)),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
