# For a config on camvid_360x480.py: a quarter of the labels. Every fourth of the 367 training
# images keeps its own; the others have pseudo labels, each with the name of its image:
#   mmseg-eff pseudo_label TEACHER CHECKPOINT --out work_dirs/pseudo_labels/camvid \
#     --images-of CONFIG
pseudo_labels = 'work_dirs/pseudo_labels/camvid/labels'
# mmseg-eff class_weights on these 92: 1 / ln(1.10 + p)
quarter_weight = [4.107, 3.379, 9.592, 2.797, 7.250, 5.517, 9.458, 9.393, 6.734, 9.875, 10.191]
quarter = dict(indices=[*range(0, 367, 4)])
other_images = dict(
    data_root=None,  # the prefixes are whole paths
    data_prefix=dict(
        img_path='{{$MMSEG_EFF_DATA:data}}/camvid/train',
        seg_map_path=pseudo_labels,
    ),
    indices=[*range(1, 367, 4), *range(2, 367, 4), *range(3, 367, 4)],
)
