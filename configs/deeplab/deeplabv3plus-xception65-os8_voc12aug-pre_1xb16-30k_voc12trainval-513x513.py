# Second stage: output stride 8, batch norm frozen all over the network, a small learning rate, on
# train and val without the additional labels. It is meant for VOC's test server: val is trained on.
# The first stage's weights run at output stride 8 as they are, too.
_base_ = './deeplabv3plus-xception65_1xb16-30k_voc12aug-513x513.py'
stage = dict(output_stride=8, norm_cfg=dict(requires_grad=False))
model = dict(backbone=dict(**stage, init_cfg=None), decode_head=stage)
train_set = dict(_base_.train_sets[0], ann_file='ImageSets/Segmentation/trainval.txt')
train_dataloader = dict(dataset=dict(datasets=[train_set]))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
custom_hooks = [dict(type='FrozenNormHook', modules=['backbone', 'decode_head'])]
load_from = 'work_dirs/deeplabv3plus-xception65_1xb16-30k_voc12aug-513x513/iter_30000.pth'
