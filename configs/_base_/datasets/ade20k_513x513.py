# ADE20K as DeepLab takes it: the longer side resized to 513, and for training crops of that scaled
# by 0.5 to 2 in steps of 0.25, without changes of colour. Scored at the size of the labels (the
# authors: of the resized images), whose 0 ("other") the dataset turns into the ignored 255.
_base_ = './ade20k_520x520.py'
crop_size = (513, 513)
test_size = (513, 513)  # padded to by the preprocessor
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(
        type='RandomChoiceResize',
        scales=[(128 * step + 1, 128 * step + 1) for step in range(2, 9)],
        keep_ratio=True,
    ),
    dict(type='RandomCrop', crop_size=crop_size),
    *_base_.train_pipeline[4:],
]
test_pipeline = [
    _base_.test_pipeline[0],
    dict(type='Resize', scale=test_size, keep_ratio=True),
    *_base_.test_pipeline[2:],
]
sizes = [
    dict(type='Resize', scale=(128 * step + 1, 128 * step + 1), keep_ratio=True)
    for step in range(2, 8)
]
tta_pipeline = [
    _base_.tta_pipeline[0],
    dict(type='TestTimeAug', transforms=[sizes, *_base_.tta_pipeline[1].transforms[1:]]),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
