# Without levels beyond P5.
_base_ = './eseg-s_1xb16-90k_cityscapes-512x1024.py'
model = dict(neck=dict(num_outs=4), decode_head=dict(in_channels=[96] * 4))
