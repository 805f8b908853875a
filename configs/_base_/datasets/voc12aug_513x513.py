# PASCAL VOC 2012, train and SBD's additional labels, as DeepLab takes them: crops of images scaled
# by 0.5 to 2 in steps of 0.25, without changes of colour; tested as they are and padded.
_base_ = './voc12aug_256x256.py'
crop_size = (513, 513)
test_size = (513, 513)  # padded to by the preprocessor
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(
        type='RandomChoice',
        transforms=[
            [dict(type='Resize', scale_factor=step / 4, keep_ratio=True)] for step in range(2, 9)
        ],
    ),
    dict(type='RandomCrop', crop_size=crop_size),
    *_base_.train_pipeline[4:],
]
test_pipeline = [_base_.test_pipeline[0], *_base_.test_pipeline[2:]]
sizes = [
    dict(type='Resize', scale_factor=ratio, keep_ratio=True)
    for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
]
tta_pipeline = [
    _base_.tta_pipeline[0],
    dict(type='TestTimeAug', transforms=[sizes, *_base_.tta_pipeline[1].transforms[1:]]),
]
train_sets = [{**dataset, 'pipeline': train_pipeline} for dataset in _base_.train_sets]
train_dataloader = dict(batch_size=16, dataset=dict(datasets=train_sets))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
