# ESeg on EfficientNet-Lite0. The norms' statistics follow within tens of iterations, so that
# trainings may be short.
_base_ = ['../models/eseg_lite0.py', './training.py']
model = dict(
    backbone=dict(init_cfg=None, norm_cfg=dict(momentum=0.1)),
    neck=dict(norm_cfg=dict(momentum=0.1)),
    decode_head=dict(
        norm_cfg=dict(momentum=0.1), loss_decode=dict(_delete_=True, type='WeightedCrossEntropy')
    ),
)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=0.5),
            fusion_weights=dict(decay_mult=0.0),
            level_weights=dict(decay_mult=0.0),
        )
    )
)
