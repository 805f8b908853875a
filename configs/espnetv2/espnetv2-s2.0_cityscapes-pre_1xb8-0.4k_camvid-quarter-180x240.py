# A quarter of the labels, and images of half the size: 400 iterations, 35 epochs, exhaust them.
# Predictions are enlarged and scored at the size of the labels.
_base_ = [
    './espnetv2-s2.0_cityscapes-pre_1xb8-0.5k_camvid-360x480.py',
    '../_base_/datasets/camvid_quarter.py',
]
max_iters = 400
crop_size = (180, 240)
train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='LoadCheckedAnnotations'),
    dict(type='RandomResize', scale=crop_size[::-1], ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=crop_size[::-1], keep_ratio=True),
    dict(type='LoadCheckedAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **_base_.quarter))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
model = dict(
    data_preprocessor=dict(batch_sizes=[(135, 180), (180, 240), (225, 300)]),
    decode_head=dict(loss_decode=dict(class_weight=_base_.quarter_weight)),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=25, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters, val_interval=100)
load_from = 'hub:espnetv2-s2.0_cityscapes-256x512'
