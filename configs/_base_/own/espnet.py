# ESPNet (p = 2, q = 8) as the authors released it for Cityscapes, with its mean and std.
_base_ = ['../models/espnet.py', './training.py']
model = dict(
    data_preprocessor=dict(
        mean=[72.3923111, 82.90893555, 73.15840149],
        std=[255 * std for std in (45.3192215, 46.15289307, 44.91483307)],
    ),
    backbone=dict(skip='level1'),
    decode_head=dict(in_channels=(16, 131, 256), channels=20),
)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
