import cv2
import numpy as np
import pytest

from mmseg_eff.datasets import CamVidDataset

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadCheckedAnnotations', num_classes=11)]


@pytest.fixture
def camvid(tmp_path, make_image):
    for split in ('train', 'test'):
        make_image(tmp_path / split / 'a.png', 4, 3)
        (tmp_path / f'{split}annot').mkdir()
        label = np.arange(12, dtype=np.uint8).reshape(4, 3)
        cv2.imwrite(str(tmp_path / f'{split}annot/a.png'), label)
    return tmp_path


@pytest.mark.parametrize('split', ['train', 'test'])
def test_void_is_ignored(camvid, split):
    dataset = CamVidDataset(split, data_root=str(camvid), pipeline=PIPELINE)
    labels = dataset[0]['gt_seg_map'].ravel().tolist()
    assert labels == [*range(11), 255]
    assert dataset[0]['img_path'] == str(camvid / split / 'a.png')


def test_subset_of_classes(camvid):
    metainfo = dict(classes=('Road', 'Car'))
    dataset = CamVidDataset(data_root=str(camvid), pipeline=PIPELINE, metainfo=metainfo)
    labels = dataset[0]['gt_seg_map'].ravel().tolist()
    assert labels == [255, 255, 255, 0, 255, 255, 255, 255, 1, 255, 255, 255]
    assert dataset.metainfo['palette'] == [[128, 64, 128], [64, 0, 128]]


def test_eleven_classes_in_eleven_colors():
    meta = CamVidDataset.METAINFO
    assert len(meta['classes']) == 11
    assert len({tuple(color) for color in meta['palette']}) == 11


def test_the_real_one(shared):
    for split, num in (('train', 367), ('val', 101)):
        root = str(shared / 'data/camvid')
        dataset = CamVidDataset(split, '.webp', data_root=root, pipeline=PIPELINE)
        assert len(dataset) == num
        item = dataset[num - 1]
        assert item['img'].shape == (360, 480, 3)
        assert set(np.unique(item['gt_seg_map'])) <= {*range(11), 255}
