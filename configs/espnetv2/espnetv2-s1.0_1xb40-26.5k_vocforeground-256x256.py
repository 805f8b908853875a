# Foreground against background (figure 1 of EdgeNets' article): every VOC class is class 1.
_base_ = './espnetv2-s1.0_1xb40-26.5k_voc12aug-256x256.py'
num_classes = 2
train_sets = [dict(item, type='ForegroundVOCDataset') for item in _base_.train_sets]
model = dict(decode_head=dict(num_classes=num_classes))
train_dataloader = dict(dataset=dict(datasets=train_sets))
val_dataloader = dict(dataset=dict(type='ForegroundVOCDataset'))
test_dataloader = val_dataloader
