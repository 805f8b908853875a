# DeepLabv1 (LargeFOV). The authors start from VGG's fully connected layers, too; here the head is
# new. Their probabilities pass through a dense CRF after the network.
_base_ = [
    '../_base_/models/deeplabv1_vgg16.py',
    '../_base_/datasets/voc12aug_513x513.py',
    '../_base_/schedules/sgd_poly.py',
    '../_base_/default_runtime.py',
]
crop_size = (321, 321)
train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='LoadCheckedAnnotations'),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_sets = [dict(train_set, pipeline=train_pipeline) for train_set in _base_.train_sets]
train_dataloader = dict(batch_size=20, dataset=dict(datasets=train_sets))
model = dict(data_preprocessor=dict(size=crop_size, test_cfg=dict(size=_base_.test_size)))
optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            'decode_head.conv_seg.weight': dict(lr_mult=10),
            'decode_head.conv_seg.bias': dict(lr_mult=20, decay_mult=0.0),
        }
    ),
)
param_scheduler = [dict(type='StepLR', step_size=2000, gamma=0.1, by_epoch=False)]
train_cfg = dict(type='ResumableIterBasedTrainLoop', max_iters=6000, val_interval=1000)
default_hooks = dict(checkpoint=dict(interval=1000))
