# Stage 1: the encoder with its classifier, loss at 1/8. The void is trained as class 19.
_base_ = [
    '../_base_/models/espnet_c.py',
    '../_base_/datasets/cityscapes_512x1024.py',
    '../_base_/schedules/adam_step.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=_base_.espnet_preprocessor,
    decode_head=dict(loss_decode=dict(class_weight=_base_.class_weight)),
)
train_dataloader = dict(batch_size=14)
train_cfg = dict(max_iters=319000)
param_scheduler = [dict(type='StepLR', step_size=106000, gamma=0.5, by_epoch=False)]
