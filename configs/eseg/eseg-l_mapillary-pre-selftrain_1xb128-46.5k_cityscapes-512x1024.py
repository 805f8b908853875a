# Both: the self-training begins with the weights of the Mapillary training. The tensors for its 66
# classes do not fit the classifier, which loading reports as a warning and leaves out.
_base_ = './eseg-l_selftrain_1xb128-46.5k_cityscapes-512x1024.py'
model = dict(backbone=dict(init_cfg=None))
load_from = 'work_dirs/eseg-l_1xb16-562.5k_mapillary-1024x1024/iter_562500.pth'
