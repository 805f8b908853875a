# FPN (top-down only, dense 3x3 convolutions) instead of BiFPN.
_base_ = './eseg-s_1xb16-90k_cityscapes-512x1024.py'
neck = dict(
    _delete_=True,
    type='FPN',
    in_channels=[24, 40, 112, 320],
    out_channels=96,
    num_outs=4,
    norm_cfg=_base_.norm_cfg,
)
model = dict(neck=neck, decode_head=dict(in_channels=[96] * 4))
