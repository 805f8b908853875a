# As the training on a quarter of the labels, as long and from the same weights; half of each batch
# is other images with that training's pseudo labels.
_base_ = './eseg-lite0_imagenet-pre_1xb8-1.5k_camvid-quarter-360x480.py'
labelled = _base_.train_dataloader.dataset
train_dataloader = dict(
    sampler=dict(_delete_=True, type='MultiSourceSampler', batch_size=8, source_ratio=[1, 1]),
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[labelled, dict(labelled, **_base_.other_images)],
    ),
)
