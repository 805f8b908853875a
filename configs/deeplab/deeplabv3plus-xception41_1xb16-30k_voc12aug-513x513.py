_base_ = './deeplabv3plus-xception65_1xb16-30k_voc12aug-513x513.py'
backbone = dict(arch='41', init_cfg=dict(checkpoint='checkpoints/xception41_imagenet.pth'))
model = dict(backbone=backbone)
