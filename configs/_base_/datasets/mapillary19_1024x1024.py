# As mapillary_1024x1024.py, in Cityscapes' 19 classes; what has no place among them is ignored.
_base_ = './mapillary_1024x1024.py'
dataset_type = 'MapillaryAsCityscapesDataset'
num_classes = 19
load_labels = dict(type='LoadCheckedAnnotations')
train_pipeline = [_base_.train_pipeline[0], load_labels, *_base_.train_pipeline[2:]]
test_pipeline = [*_base_.test_pipeline[:2], load_labels, *_base_.test_pipeline[3:]]
steps = _base_.tta_pipeline[1].transforms
tta_pipeline = [
    _base_.tta_pipeline[0],
    dict(type='TestTimeAug', transforms=[*steps[:2], [load_labels], *steps[3:]]),
]
train_dataloader = dict(dataset=dict(type=dataset_type, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(type=dataset_type, pipeline=test_pipeline))
test_dataloader = val_dataloader
