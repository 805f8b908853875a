# Stage 2: the decoder and the whole network, from stage 1. The void is trained as class 11.
_base_ = [
    '../_base_/models/espnet.py',
    '../_base_/datasets/camvid_360x480.py',
    '../_base_/schedules/adam_step.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.espnet_preprocessor,
    decode_head=dict(
        num_classes=12, channels=12, loss_decode=dict(class_weight=_base_.class_weight)
    ),
)
train_cfg = dict(max_iters=69000, val_interval=1000)
param_scheduler = [dict(type='StepLR', step_size=23000, gamma=0.5, by_epoch=False)]
load_from = 'work_dirs/espnet-c-p2q8_1xb14-39k_camvid-360x480/iter_39000.pth'
