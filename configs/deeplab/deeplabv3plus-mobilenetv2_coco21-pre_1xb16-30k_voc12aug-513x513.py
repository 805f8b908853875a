# Fine-tuned from its COCO training, head included, at the learning rate of DeepLabv3's paper.
_base_ = './deeplabv3plus-mobilenetv2_1xb16-30k_voc12aug-513x513.py'
model = dict(backbone=dict(init_cfg=None))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
load_from = 'work_dirs/deeplabv3plus-mobilenetv2_1xb16-500k_coco21-513x513/iter_500000.pth'
