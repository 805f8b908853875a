# As the training on a quarter of the labels, as long and from the same weights; half of each batch
# is other images with that training's pseudo labels.
_base_ = './espnetv2-s2.0_cityscapes-pre_1xb8-0.4k_camvid-quarter-180x240.py'
labelled = _base_.train_dataloader.dataset
train_dataloader = dict(
    sampler=dict(_delete_=True, type='MultiSourceSampler', batch_size=8, source_ratio=[1, 1]),
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[labelled, dict(labelled, **_base_.other_images)],
    ),
)
