# DeepLabv2 from ImageNet weights (the paper's best had COCO, too, and a dense CRF after it).
_base_ = [
    '../_base_/models/deeplabv2_r101.py',
    '../_base_/datasets/voc12aug_513x513.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/default_runtime.py',
]
max_iters = 20000
crop_size = (321, 321)
scales = [[dict(type='Resize', scale_factor=step / 4, keep_ratio=True)] for step in range(2, 7)]
train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='LoadCheckedAnnotations'),
    dict(type='RandomChoice', transforms=scales),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_sets = [dict(train_set, pipeline=train_pipeline) for train_set in _base_.train_sets]
train_dataloader = dict(batch_size=10, dataset=dict(datasets=train_sets))
model = dict(data_preprocessor=dict(size=crop_size, test_cfg=dict(size=_base_.test_size)))
biases = {f'decode_head.conv_seg.{i}.bias': dict(lr_mult=20, decay_mult=0.0) for i in range(4)}
optim_wrapper = dict(
    optimizer=dict(lr=2.5e-4, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'decode_head.conv_seg': dict(lr_mult=10), **biases}),
)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=0, begin=0, end=max_iters, by_epoch=False)
]
train_cfg = dict(type='ResumableIterBasedTrainLoop', max_iters=max_iters, val_interval=2000)
custom_hooks = [dict(type='FrozenNormHook', modules=['backbone'])]
