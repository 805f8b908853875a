# ESeg-M fine-tuned from its Mapillary training. Only the classifier is new: the tensors for 66
# classes do not fit it, which loading reports as a warning and leaves out.
_base_ = [
    '../_base_/models/eseg_m.py',
    '../_base_/datasets/cityscapes_crops_512x1024.py',
    '../_base_/schedules/sgd_cosine.py',
    '../_base_/schedules/cosine_37_2k.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=_base_.crop_size), backbone=dict(init_cfg=None))
optim_wrapper = dict(optimizer=dict(lr=0.01))
load_from = 'work_dirs/eseg-m_1xb16-562.5k_mapillary-1024x1024/iter_562500.pth'
