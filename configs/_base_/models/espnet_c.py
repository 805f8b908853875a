# ESPNet-C with its 1x1 classifier, stage 1 of the training (ECCV'18, Fig. 4c).
norm_cfg = dict(type='SyncBN', eps=1e-3, requires_grad=True)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='MultiSizeDataPreProcessor', seg_pad_val=255),
    backbone=dict(type='ESPNet', arch='C', num_blocks=(2, 8), out_indices=(2,), norm_cfg=norm_cfg),
    decode_head=dict(
        type='ESPNetCHead',
        in_channels=256,
        num_classes=20,
        loss_decode=dict(type='WeightedCrossEntropy'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
