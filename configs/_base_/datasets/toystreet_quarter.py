# As camvid_quarter.py, for a config on toystreet_128x256.py, which has 240 training images.
pseudo_labels = 'work_dirs/pseudo_labels/toystreet/labels'
quarter = dict(indices=[*range(0, 240, 4)])
other_images = dict(
    data_root=None,
    data_prefix=dict(
        img_path='{{$MMSEG_EFF_DATA:data}}/toystreet/images/train', seg_map_path=pseudo_labels
    ),
    indices=[*range(1, 240, 4), *range(2, 240, 4), *range(3, 240, 4)],
)
