# Images of 8-bit colour and their labels in folders of one's own. A config that mmseg-eff init
# writes names the folders, and the sizes between `load` and `augment`.
load = [dict(type='LoadCheckedImage'), dict(type='LoadCheckedAnnotations')]
augment = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='RandomJPEG', prob=0.5, quality=(30, 95)),
    dict(type='PackSegInputs'),
]
test_pipeline = [*load, dict(type='PackSegInputs')]
tta_pipeline = [
    load[0],
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=ratio) for ratio in (0.75, 1.0, 1.25)],
            [dict(type='RandomFlip', prob=prob, direction='horizontal') for prob in (0.0, 1.0)],
            [load[1]],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler', shuffle=True),
    dataset=dict(type='BaseSegDataset'),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='BaseSegDataset', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CheckedIoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
