# PASCAL VOC 2012, train and SBD's additional labels, as DeepLab takes them: crops of images scaled
# by 0.5 to 2 in steps of 0.25, without changes of colour; tested as they are and padded.
dataset_type = 'PascalVOCDataset'
data_root = '{{$MMSEG_EFF_DATA:data}}/VOCdevkit/VOC2012'
num_labels = 21
crop_size = (513, 513)
test_size = (513, 513)  # padded to by the preprocessor
train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='LoadCheckedAnnotations', num_classes=num_labels),
    dict(
        type='RandomChoice',
        transforms=[
            [dict(type='Resize', scale_factor=step / 4, keep_ratio=True)] for step in range(2, 9)
        ],
    ),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadCheckedAnnotations', num_classes=num_labels),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale_factor=ratio, keep_ratio=True)
                for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
            ],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadCheckedAnnotations', num_classes=num_labels)],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_sets = [
    dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='JPEGImages', seg_map_path=labels),
        ann_file=f'ImageSets/Segmentation/{split}.txt',
        pipeline=train_pipeline,
    )
    for labels, split in (('SegmentationClass', 'train'), ('SegmentationClassAug', 'aug'))
]
train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler', shuffle=True),
    dataset=dict(type='ConcatDataset', datasets=train_sets),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        ann_file='ImageSets/Segmentation/val.txt',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CheckedIoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
