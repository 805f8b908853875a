import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_eff.datasets import ForegroundVOCDataset
from mmseg_eff.errors import InputError

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadCheckedAnnotations', num_classes=2)]


@pytest.fixture
def voc(tmp_path, make_image):
    """One image of 22 pixels, one of each label; the file has a palette as VOC's have."""
    make_image(tmp_path / 'JPEGImages/a.jpg', 2, 11)
    write_label(tmp_path, [*range(21), 255])
    (tmp_path / 'train.txt').write_text('a\n')
    return tmp_path


def write_label(root, values):
    image = Image.fromarray(np.array(values, np.uint8).reshape(2, 11))
    image.putpalette(list(range(256)) * 3)
    (root / 'SegmentationClass').mkdir(exist_ok=True)
    image.save(root / 'SegmentationClass/a.png')


def build(root, **kwargs):
    prefix = dict(img_path='JPEGImages', seg_map_path='SegmentationClass')
    config = dict(type='ForegroundVOCDataset', ann_file='train.txt', data_root=str(root))
    return DATASETS.build({**config, 'data_prefix': prefix, 'pipeline': PIPELINE, **kwargs})


def test_every_object_is_foreground(voc):
    dataset = build(voc)
    assert isinstance(dataset, ForegroundVOCDataset)
    assert len(dataset) == 1
    assert dataset[0]['gt_seg_map'].ravel().tolist() == [0] + [1] * 20 + [255]
    assert dataset[0]['img'].shape == (2, 11, 3)


def test_two_classes_in_two_colors(voc):
    metainfo = build(voc).metainfo
    assert metainfo['classes'] == ('background', 'foreground')
    assert metainfo['palette'] == [[0, 0, 0], [220, 20, 60]]


def test_binary_files_stay_as_they_are(voc):
    values = [0, 1, 255, 1] * 5 + [0, 255]
    write_label(voc, values)
    assert build(voc)[0]['gt_seg_map'].ravel().tolist() == values


def test_other_values_are_refused(voc):
    write_label(voc, [*range(21), 21])
    with pytest.raises(InputError, match=r'a\.png: label value 21 out of range'):
        build(voc)[0]


@pytest.mark.parametrize('classes', [('foreground',), ('foreground', 'background'), ('cat', 'dog')])
def test_other_classes_are_refused(voc, classes):
    with pytest.raises(ValueError, match=r"classes must be \('background', 'foreground'\), got"):
        build(voc, metainfo=dict(classes=classes))
