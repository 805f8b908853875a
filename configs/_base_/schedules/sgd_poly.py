# DeepLab's training but for its length, which schedules/sgd_poly_*.py give: SGD, weight decay on
# kernels other than depth-wise ones, biases at twice the rate. A decay of 4e-5 is that of Xception
# and MobileNetV2; ResNet has 1e-4. Batch norm is trained with batches of 12 or more, better 16;
# smaller ones need it frozen, all over the network, as the configs of output stride 8 do.
# mmengine lets custom_keys, where they match, replace the four factors here, not multiply them.
_base_ = '../hooks.py'
optimizer = dict(type='SGD', lr=0.007, momentum=0.9, weight_decay=4e-5)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=optimizer,
    paramwise_cfg=dict(
        norm_decay_mult=0.0, dwconv_decay_mult=0.0, bias_decay_mult=0.0, bias_lr_mult=2.0
    ),
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
