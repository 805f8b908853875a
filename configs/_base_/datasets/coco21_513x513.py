# COCO in VOC's 21 classes, for pre-training; scored on VOC's val. DeepLab's authors leave out
# images without a region of 1000 pixels or more.
_base_ = ['./voc12aug_513x513.py', './coco21.py']
train_sets = [dict(_base_.coco, pipeline=_base_.train_pipeline)]
train_dataloader = dict(dataset=dict(datasets=train_sets))
