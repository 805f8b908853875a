# ESeg-M, half of each batch from train_extra with pseudo labels.
_base_ = [
    '../_base_/models/eseg_m.py',
    '../_base_/datasets/cityscapes_selftrain_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_46_5k.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size))
optim_wrapper = dict(optimizer=dict(lr=0.16))
