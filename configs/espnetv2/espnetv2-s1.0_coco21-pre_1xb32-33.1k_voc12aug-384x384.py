# The authors' stage 2 on VOC, from COCO instead of their stage 1.
_base_ = './espnetv2-s1.0_1xb32-33.1k_voc12aug-384x384.py'
load_from = 'work_dirs/espnetv2-s1.0_1xb40-236.5k_coco21-256x256/iter_236500.pth'
