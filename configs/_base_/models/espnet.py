# ESPNet: ESPNet-C and the light decoder (ECCV'18, Fig. 4d); the skip of the official training code.
norm_cfg = dict(type='SyncBN', eps=1e-3, requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='MultiSizeDataPreProcessor', seg_pad_val=255),
    backbone=dict(
        type='ESPNet', arch='C', num_blocks=(2, 8), skip='level1_image', norm_cfg=norm_cfg
    ),
    decode_head=dict(
        type='ESPNetHead',
        in_channels=(19, 131, 256),
        num_classes=20,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='WeightedCrossEntropy'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
