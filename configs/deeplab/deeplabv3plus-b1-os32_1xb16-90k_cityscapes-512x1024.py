# "w/o atrous": no dilation in the encoder.
_base_ = './deeplabv3plus-b1-os16_1xb16-90k_cityscapes-512x1024.py'
model = dict(backbone=dict(output_stride=32))
