# COCO's images that hold a class of VOC, with labels 0 to 20 and 255, written by
#   mmseg-eff convert_labels coco --classes voc instances_train2017.json \
#     data/coco/voc_labels/train2017
coco = dict(
    type='PascalVOCDataset',
    data_root='{{$MMSEG_EFF_DATA:data}}/coco',
    data_prefix=dict(img_path='train2017', seg_map_path='voc_labels/train2017'),
    ann_file='voc_labels/train2017.txt',
)
