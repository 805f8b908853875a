# Pre-training on COCO alone. The authors train on VOC and COCO together (voc12augcoco); the 100
# epochs are theirs.
_base_ = [
    '../_base_/models/espnetv2.py',
    '../_base_/datasets/coco21_256x256.py',
    '../_base_/schedules/sgd_hybrid.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=_base_.crop_size), decode_head=dict(num_classes=_base_.num_classes)
)
param_scheduler = [dict(type='HybridLR', epoch_length=2365, by_epoch=False)]
train_cfg = dict(max_iters=236500, val_interval=23650)
default_hooks = dict(checkpoint=dict(interval=23650))
load_from = 'hub:espnetv2-s1.0_imagenet'
