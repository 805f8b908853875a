# With COCO's images in VOC's classes, as the official weights were trained.
_base_ = ['./espnetv2-s1.0_1xb32-33.1k_voc12aug-384x384.py', '../_base_/datasets/coco21.py']
coco = dict(_base_.coco, pipeline=_base_.train_pipeline)
train_dataloader = dict(dataset=dict(datasets=[*_base_.train_sets, coco]))
param_scheduler = [dict(type='HybridLR', epoch_length=3287, by_epoch=False)]
train_cfg = dict(max_iters=328700, val_interval=32870)
default_hooks = dict(checkpoint=dict(interval=32870))
load_from = 'work_dirs/espnetv2-s1.0_1xb40-262.9k_voc12augcoco-256x256/iter_262900.pth'
