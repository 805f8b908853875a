dataset_type = 'CamVidDataset'
data_root = '{{$MMSEG_EFF_DATA:data}}/camvid'
num_classes = 11
crop_size = (360, 480)
# Of the BGR pixels; ESPNet divides by 255 after mean and std. The void is its class 11.
espnet_preprocessor = dict(
    mean=(110.33102643, 108.40886315, 105.03319369),
    std=[255 * std for std in (72.12571016, 72.69074534, 69.90434816)],
    batch_sizes=[(540, 720), (450, 600), (180, 240), (270, 360), (360, 480)],
    ignore_to_class=11,
)
# mmseg-eff class_weights CONFIG --count-ignored: 1 / ln(1.10 + p); the 12th is the void's.
class_weight = [4.205, 3.483, 9.596, 2.872, 7.392, 5.555, 9.441, 9.479, 6.791, 9.891, 10.208, 7.658]
train_pipeline = [
    dict(type='LoadCheckedImage'),
    dict(type='LoadCheckedAnnotations'),
    dict(type='RandomResize', scale=crop_size[::-1], ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadCheckedAnnotations'),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='Resize', scale=(int(480 * ratio), int(360 * ratio)), keep_ratio=True)
                for ratio in (0.75, 1.0, 1.25)
            ],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadCheckedAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler', shuffle=True),
    dataset=dict(type=dataset_type, data_root=data_root, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, data_root=data_root, split='val', pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CheckedIoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
