# On Cityscapes the paper has its Xception-71 without image pooling.
_base_ = './deeplabv3plus-xception65_1xb16-90k_cityscapes-769x769.py'
backbone = dict(arch='71', init_cfg=dict(checkpoint='hub:xception71_imagenet'))
model = dict(backbone=backbone, decode_head=dict(use_image_pool=False))
