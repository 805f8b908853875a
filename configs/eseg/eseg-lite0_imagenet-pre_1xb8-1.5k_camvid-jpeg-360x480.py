# ESeg on Lite0 for photos: half of the training images are compressed as cameras do, and photos of
# any size are shrunk to the height of CamVid's, which stay as they are.
_base_ = './eseg-lite0_imagenet-pre_1xb8-1.5k_camvid-360x480.py'
train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='RandomJPEG', prob=0.5, quality=(30, 95)),
    _base_.train_pipeline[-1],
]
test_pipeline = [
    _base_.test_pipeline[0],
    dict(type='Resize', scale=(640, 360), keep_ratio=True),
    *_base_.test_pipeline[1:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
