# FPN instead of BiFPN, over the levels that average pooling adds to P5.
_base_ = './eseg-s_1xb16-90k_cityscapes-512x1024.py'
fpn = dict(
    type='FPN',
    in_channels=[24, 40, 112, 320, 320, 320, 320, 320],
    out_channels=96,
    num_outs=8,
    norm_cfg=_base_.norm_cfg,
)
model = dict(neck=dict(_delete_=True, type='PooledLevels', num_outs=8, neck=fpn))
