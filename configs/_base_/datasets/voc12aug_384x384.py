# As voc12aug_256x256.py, larger.
_base_ = './voc12aug_256x256.py'
crop_size = (384, 384)
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(type='RandomResize', scale=crop_size, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    *_base_.train_pipeline[4:],
]
test_pipeline = [
    _base_.test_pipeline[0],
    dict(type='Resize', scale=crop_size, keep_ratio=False, backend='pillow'),
    *_base_.test_pipeline[2:],
]
sizes = [dict(type='Resize', scale=(side, side), keep_ratio=False) for side in (288, 384, 480)]
tta_pipeline = [
    _base_.tta_pipeline[0],
    dict(type='TestTimeAug', transforms=[sizes, *_base_.tta_pipeline[1].transforms[1:]]),
]
train_sets = [{**dataset, 'pipeline': train_pipeline} for dataset in _base_.train_sets]
train_dataloader = dict(batch_size=32, dataset=dict(datasets=train_sets))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
