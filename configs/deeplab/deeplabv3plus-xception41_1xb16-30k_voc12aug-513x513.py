_base_ = './deeplabv3plus-xception65_1xb16-30k_voc12aug-513x513.py'
backbone = dict(arch='41', init_cfg=dict(checkpoint='hub:xception41_imagenet'))
model = dict(backbone=backbone)
