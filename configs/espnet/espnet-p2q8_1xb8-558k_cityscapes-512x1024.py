# Stage 2: the decoder and the whole network, from stage 1. The void is trained as class 19.
_base_ = [
    '../_base_/models/espnet.py',
    '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/adam_step.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.espnet_preprocessor,
    backbone=dict(skip='level1'),  # as in the released decoders
    decode_head=dict(
        in_channels=(16, 131, 256), loss_decode=dict(class_weight=_base_.class_weight)
    ),
)
load_from = 'work_dirs/espnet-c-p2q8_1xb14-319k_cityscapes-512x1024/iter_319000.pth'
