# Stage 1, from ImageNet weights of the same s.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/voc12aug_256x256.py',
    '../_base_/schedules/sgd_hybrid.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=_base_.num_classes)
)
param_scheduler = [dict(type='HybridLR', epoch_length=265, by_epoch=False)]
train_cfg = dict(max_iters=26500, val_interval=2650)
default_hooks = dict(checkpoint=dict(interval=2650))
load_from = 'hub:espnetv2-s1.0_imagenet'
