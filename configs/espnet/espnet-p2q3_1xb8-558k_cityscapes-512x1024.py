_base_ = './espnet-p2q8_1xb8-558k_cityscapes-512x1024.py'
model = dict(backbone=dict(num_blocks=(2, 3)))
load_from = 'work_dirs/espnet-c-p2q3_1xb14-319k_cityscapes-512x1024/iter_319000.pth'
