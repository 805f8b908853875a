# The labels of one drive, 0006R0: 101 of the 367 images. The other images are of other drives, as
# those to validate on are.
_base_ = './espnetv2-s2.0_cityscapes-pre_1xb8-0.4k_camvid-quarter-180x240.py'
drive = [*range(62, 163)]
train_dataloader = dict(dataset=dict(indices=drive))
other_images = dict(indices=[*range(62), *range(163, 367)])
# mmseg-eff class_weights on the drive
class_weight = [3.704, 5.214, 9.508, 2.602, 8.533, 4.019, 8.996, 9.760, 6.639, 10.160, 10.420]
model = dict(decode_head=dict(loss_decode=dict(class_weight=class_weight)))
