# Stage 2, from stage 1; batch norm really frozen.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/voc12aug_384x384.py',
    '../_base_/schedules/sgd_hybrid.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=_base_.num_classes)
)
optim_wrapper = dict(optimizer=dict(lr=0.005))
param_scheduler = [dict(type='HybridLR', epoch_length=331, by_epoch=False)]
train_cfg = dict(max_iters=33100, val_interval=3310)
default_hooks = dict(checkpoint=dict(interval=3310))
custom_hooks = [dict(type='FrozenNormHook')]
load_from = 'work_dirs/espnetv2-s1.0_1xb40-26.5k_voc12aug-256x256/iter_26500.pth'
