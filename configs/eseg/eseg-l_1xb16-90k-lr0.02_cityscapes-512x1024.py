_base_ = './eseg-l_1xb16-90k_cityscapes-512x1024.py'
optim_wrapper = dict(optimizer=dict(lr=0.02))
