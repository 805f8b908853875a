_base_ = './espnet-c-p2q8_1xb14-319k_cityscapes-512x1024.py'
model = dict(backbone=dict(num_blocks=(2, 5)))
