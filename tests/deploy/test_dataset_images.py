import cv2
import numpy as np
import pytest
from mmengine.config import Config

from mmseg_eff import compat
from mmseg_eff.deploy import DatasetImage, select_images
from mmseg_eff.errors import InputError

LEAF = '.mim/configs/espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'


@pytest.fixture
def config(data_root):
    return Config.fromfile(compat.PACKAGE_ROOT / LEAF)


@pytest.mark.parametrize(
    ('loader', 'folder', 'count', 'expected'),
    [
        ('train_dataloader', 'train', 2, [0, 3]),
        ('train_dataloader', 'train', 3, [0, 1, 3]),
        ('train_dataloader', 'train', 100, [0, 1, 2, 3]),
        ('test_dataloader', 'val', 1, [0]),
        ('test_dataloader', 'val', 8, [0, 1]),
    ],
)
def test_images_are_spread_over_the_dataset(config, data_root, loader, folder, count, expected):
    files = sorted((data_root / 'toystreet/images' / folder).iterdir())
    selected = select_images(config, loader, count)
    assert [image.path for image in selected] == [files[index] for index in expected]


def test_labels_are_those_of_the_file(config):
    (image,) = select_images(config, 'test_dataloader', 1)
    path = str(image.path).replace('images', 'labels')
    assert np.array_equal(image.labels(), cv2.imread(path, cv2.IMREAD_UNCHANGED))


def test_ignored_labels_are_255():
    image = DatasetImage(
        dict(img_path='a.png', ignore_index=6), lambda _info: dict(gt_seg_map=np.array([0, 6, 3]))
    )
    assert image.labels().tolist() == [0, 255, 3]


def test_a_config_without_the_data_is_refused(config):
    config.pop('test_dataloader')
    with pytest.raises(InputError, match=r'the config has no test_dataloader\.dataset'):
        select_images(config, 'test_dataloader', 1)
