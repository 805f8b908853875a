# ESeg on Lite0 from ImageNet weights. Mining begins when the easy pixels are learnt; the encoder
# has half the learning rate and no weight decay.
_base_ = [
    '../_base_/models/eseg_lite0.py',
    '../_base_/datasets/camvid_360x480.py',
    '../_base_/schedules/sgd_cosine_2k.py',
    '../_base_/default_runtime.py',
]
max_iters = 1500
train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='LoadCheckedAnnotations', num_classes=_base_.num_labels),
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.75, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=_base_.crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
loss_decode = dict(min_kept=8 * 360 * 480 // 64)  # 1 in 64 pixels of the batch
model = dict(
    data_preprocessor=dict(size=_base_.crop_size),
    decode_head=dict(num_classes=_base_.num_labels, loss_decode=loss_decode),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.5, decay_mult=0.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0, begin=50, end=max_iters, by_epoch=False),
]
train_cfg = dict(max_iters=max_iters)
custom_hooks = [
    dict(type='ChannelsLastHook'),
    dict(type='OHEMHook', heads=['decode_head'], start=400),
    dict(type='EMAHook', ema_type='RampedEMA', momentum=0.01, update_buffers=True),
]
