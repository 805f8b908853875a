# Stage 2: larger crops of larger images, from stage 1; batch norm really frozen.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/sgd_hybrid.py',
    '../_base_/default_runtime.py',
]
train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='LoadCheckedAnnotations'),
    dict(type='RandomResize', scale=(2048, 1024), ratio_range=(0.35, 1.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=_base_.crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    # With anti-aliasing, as the authors resize; OpenCV's changes 1 % of the predicted pixels.
    dict(type='Resize', scale=_base_.crop_size[::-1], keep_ratio=True, backend='pillow'),
    dict(type='LoadCheckedAnnotations'),
    dict(type='PackSegInputs'),
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(loss_decode=dict(class_weight=[*_base_.class_weight[:19], 0.0])),
)
train_dataloader = dict(batch_size=6, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=0.005))
param_scheduler = [dict(type='HybridLR', epoch_length=496, by_epoch=False)]
train_cfg = dict(max_iters=49600, val_interval=4960)
default_hooks = dict(checkpoint=dict(interval=4960))
custom_hooks = [dict(type='FrozenNormHook')]
load_from = 'work_dirs/espnetv2-s1.0_1xb25-11.9k_cityscapes-256x512/iter_11900.pth'
