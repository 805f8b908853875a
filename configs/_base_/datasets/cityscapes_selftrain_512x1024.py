# As cityscapes_crops_512x1024.py, with half of each batch from the 19,998 images of train_extra; in
# place of their coarse labels there are pseudo labels, each with the name of its image:
#   mmseg-eff pseudo_label TEACHER CHECKPOINT --out work_dirs/pseudo_labels/cityscapes \
#     --images-of CONFIG
# On 8 GPUs set train_dataloader.batch_size and train_dataloader.sampler.batch_size to 16.
_base_ = './cityscapes_crops_512x1024.py'
pseudo_labels = 'work_dirs/pseudo_labels/cityscapes/labels'
labelled = _base_.train_dataloader.dataset
other_images = dict(
    data_root=None,  # the prefixes are whole paths
    data_prefix=dict(
        img_path='{{$MMSEG_EFF_DATA:data}}/cityscapes/leftImg8bit/train_extra',
        seg_map_path=pseudo_labels,
    ),
    seg_map_suffix='_leftImg8bit.png',
)
train_dataloader = dict(
    batch_size=128,
    sampler=dict(_delete_=True, type='MultiSourceSampler', batch_size=128, source_ratio=[1, 1]),
    dataset=dict(
        _delete_=True, type='ConcatDataset', datasets=[labelled, dict(labelled, **other_images)]
    ),
)
