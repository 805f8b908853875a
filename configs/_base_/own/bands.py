# As photos.py, for images of other channels or more bits: read as they are stored, and neither
# their colours changed nor compressed. A config gives mean, std and in_channels.
_base_ = './photos.py'
load = [
    dict(type='LoadCheckedImage', color_type='unchanged'),
    dict(type='LoadCheckedAnnotations'),
]
augment = [dict(type='RandomFlip', prob=0.5), dict(type='PackSegInputs')]
test_pipeline = [*load, dict(type='PackSegInputs')]
tta_pipeline = [load[0], _base_.tta_pipeline[1]]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
