# ESeg-Lite-M fine-tuned from its Mapillary training in Cityscapes' classes, head included.
_base_ = './eseg-lite-m_mapillary-pre_1xb16-37.2k_cityscapes-1024x1024.py'
load_from = 'work_dirs/eseg-lite-m_1xb16-562.5k_mapillary19-1024x1024/iter_562500.pth'
