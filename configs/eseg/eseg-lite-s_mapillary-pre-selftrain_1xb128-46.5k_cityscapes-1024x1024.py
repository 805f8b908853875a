# Both: the self-training begins with the weights of the Mapillary training. The tensors for its 66
# classes do not fit the classifier, which loading reports as a warning and leaves out.
_base_ = './eseg-lite-s_selftrain_1xb128-46.5k_cityscapes-1024x1024.py'
load_from = 'work_dirs/eseg-lite-s_1xb16-562.5k_mapillary-1024x1024/iter_562500.pth'
