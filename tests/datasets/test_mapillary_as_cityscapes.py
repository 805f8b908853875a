from itertools import chain

import numpy as np
import pytest
from mmseg.datasets import CityscapesDataset, MapillaryDataset_v1
from PIL import Image

from mmseg_eff.datasets.mapillary_as_cityscapes import (
    VISTAS_CLASSES,
    VOID,
    MapillaryAsCityscapesDataset,
)

VISTAS = MapillaryDataset_v1.METAINFO
CITYSCAPES = CityscapesDataset.METAINFO
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadCheckedAnnotations', num_classes=19)]
# As papers on generalisation evaluate Cityscapes' networks on Vistas (tue-mps/benchmark-vfm-ss).
USUAL = {
    0: (13, 24, 41),
    1: (2, 15),
    2: (17,),
    3: (6,),
    4: (3,),
    5: (45, 47),
    6: (48,),
    7: (50,),
    8: (30,),
    9: (29,),
    10: (27,),
    11: (19,),
    12: (20, 21, 22),
    13: (55,),
    14: (61,),
    15: (54,),
    16: (58,),
    17: (57,),
    18: (52,),
}


def test_every_class_is_given_once():
    listed = [*chain.from_iterable(VISTAS_CLASSES.values()), *VOID]
    assert sorted(listed) == sorted(VISTAS['classes'])
    assert tuple(VISTAS_CLASSES) == CITYSCAPES['classes']
    assert all(VISTAS_CLASSES.values())


def test_agrees_with_the_usual_mapping():
    label_map = MapillaryAsCityscapesDataset.get_label_map()
    assert {v: label_map[v] for group in USUAL.values() for v in group} == {
        value: label for label, group in USUAL.items() for value in group
    }


def test_classes_of_one_color_are_one_class():
    """Vistas took over Cityscapes' colours; this also keeps palette files from being refused."""
    label_map = MapillaryAsCityscapesDataset.get_label_map()
    shared = {
        value: CITYSCAPES['palette'].index(color)
        for value, color in enumerate(VISTAS['palette'])
        if color in CITYSCAPES['palette']
    }
    assert len(shared) == 19
    assert {value: label_map[value] for value in shared} == shared


@pytest.fixture
def vistas(tmp_path, make_image):
    """One image of 66 pixels, one of each label, as Vistas' palette files."""
    make_image(tmp_path / 'images/a.jpg', 6, 11)
    label = Image.fromarray(np.arange(66, dtype=np.uint8).reshape(6, 11))
    label.putpalette(list(chain.from_iterable(VISTAS['palette'])))
    (tmp_path / 'labels').mkdir()
    label.save(tmp_path / 'labels/a.png')
    return tmp_path


def build(root, **kwargs):
    prefix = dict(img_path='images', seg_map_path='labels')
    return MapillaryAsCityscapesDataset(
        data_root=str(root), data_prefix=prefix, pipeline=PIPELINE, **kwargs
    )


def test_files_of_vistas_are_read_as_cityscapes(vistas):
    dataset = build(vistas)
    labels = dict(zip(VISTAS['classes'], dataset[0]['gt_seg_map'].ravel().tolist(), strict=True))
    expected = dict(Road=0, Curb=1, Sand=9, Motorcyclist=12, Car=13, Caravan=255, Unlabeled=255)
    assert {name: labels[name] for name in expected} == expected
    assert sorted({*labels.values()}) == [*range(19), 255]
    for key in ('classes', 'palette'):
        assert dataset.metainfo[key] == CITYSCAPES[key]


def test_other_classes_are_refused(vistas):
    with pytest.raises(ValueError, match=r"classes must be \('road', .*, got \('road', 'car'\)"):
        build(vistas, metainfo=dict(classes=('road', 'car')))
