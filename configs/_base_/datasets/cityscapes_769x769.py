# Cityscapes as DeepLab takes it: crops of images scaled by 0.5 to 2 in steps of 0.25, colours as
# they are; tested on whole images at full size and padded.
_base_ = './cityscapes_crops_512x1024.py'
crop_size = (769, 769)
test_size = (1025, 2049)  # padded to by the preprocessor
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(
        type='RandomChoiceResize',
        scales=[(512 * step, 256 * step) for step in range(2, 9)],
        keep_ratio=True,
    ),
    dict(type='RandomCrop', crop_size=crop_size),
    *_base_.train_pipeline[4:],
]
sizes = [
    # 0.75, 1 and 1.25; what is larger than test_size must be 16 k + 1 itself.
    dict(type='Resize', scale=scale, keep_ratio=False)
    for scale in ((1536, 768), (2048, 1024), (2561, 1281))
]
tta_pipeline = [
    _base_.tta_pipeline[0],
    dict(type='TestTimeAug', transforms=[sizes, *_base_.tta_pipeline[1].transforms[1:]]),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
