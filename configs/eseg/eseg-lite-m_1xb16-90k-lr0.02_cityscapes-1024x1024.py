_base_ = './eseg-lite-m_1xb16-90k_cityscapes-1024x1024.py'
optim_wrapper = dict(optimizer=dict(lr=0.02))
