# ESPNet's training: 300 epochs of five passes over Cityscapes (2975 images) in batches of 8, the
# learning rate halved every 100 epochs; Adam with L2 regularisation on every weight.
_base_ = '../hooks.py'
optimizer = dict(type='Adam', lr=5e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=5e-4)
optim_wrapper = dict(type='OptimWrapper', optimizer=optimizer)
param_scheduler = [dict(type='StepLR', step_size=186000, gamma=0.5, by_epoch=False)]
train_cfg = dict(type='ResumableIterBasedTrainLoop', max_iters=558000, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
