# With COCO's images in VOC's classes, as the official weights were trained.
_base_ = ['./espnetv2-s1.0_1xb40-26.5k_voc12aug-256x256.py', '../_base_/datasets/coco21.py']
coco = dict(_base_.coco, pipeline=_base_.train_pipeline)
train_dataloader = dict(dataset=dict(datasets=[*_base_.train_sets, coco]))
param_scheduler = [dict(type='HybridLR', epoch_length=2629, by_epoch=False)]
train_cfg = dict(max_iters=262900, val_interval=26290)
default_hooks = dict(checkpoint=dict(interval=26290))
