"""Datasets that are built, with and without their files."""

from pathlib import Path

import pytest
from mmengine.config import Config, ConfigDict

from mmseg_eff.dataset_check.build import (
    build_dataset,
    build_unread,
    first_dataset,
    iterate_labels,
)
from mmseg_eff.dataset_check.sample import check_datasets
from mmseg_eff.errors import InputError

GOOD = ((0, 1, 2, 255), (0, 1))


def test_blank_lines_of_a_list_are_no_images(write, tmp_path):
    config = write(*GOOD, (1, 2))
    (tmp_path / 'train/list.txt').write_text('\n0\n\n   \r\n2\n\n')
    config['ann_file'] = 'list.txt'
    dataset = build_dataset(ConfigDict(config), 'x')
    paths = [Path(dataset.get_data_info(index)['img_path']).name for index in range(len(dataset))]
    assert paths == ['0.png', '2.png']
    check_datasets(ConfigDict(train_dataloader=dict(dataset=config)), 'train_dataloader')


def test_labels_are_loaded_by_the_dataset_s_rules(write):
    rules = dict(ignore_index=254, reduce_zero_label=True)
    dataset = build_dataset(ConfigDict(write((0, 1, 2, 3, 255), **rules)), 'x')
    (label,) = iterate_labels([dataset])
    assert label.flat[:5].tolist() == [254, 0, 1, 2, 254]


@pytest.mark.parametrize(
    ('config', 'names', 'color'),
    [
        (dict(type='PascalVOCDataset', ann_file='none.txt'), ('background', 21), [0, 0, 0]),
        (dict(type='DRIVEDataset', data_prefix=dict(img_path='i', seg_map_path='l')), None, None),
        (
            dict(type='CamVidDataset', metainfo=dict(classes=['Car', 'Road'])),
            ('Car', 2),
            [64, 0, 128],
        ),
    ],
)
def test_names_without_files(config, names, color):
    """Some datasets of mmseg look for their folders as soon as they are built."""
    dataset = build_unread(ConfigDict(data_root='nowhere', **config), 'x')
    classes = dataset.metainfo['classes']
    assert names is None or (classes[0], len(classes)) == names
    assert len(dataset.metainfo['palette']) == len(classes)
    assert color is None or list(dataset.metainfo['palette'][0]) == color


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (
            dict(type='BaseSegDataset', metainfo=dict(classes=('a', 'b'), palette=[[0, 0, 0]])),
            r'^x \(BaseSegDataset\): palette does not match classes',
        ),
        (
            dict(type='CamVidDataset', metainfo=dict(classes=('Car', 'Boat'))),
            r"^x \(CamVidDataset\): new classes .*'Boat'.* is not a subset",
        ),
        (dict(type='BaseSegDataset', image_suffix='.png'), r'^x .*unexpected keyword argument'),
    ],
)
def test_wrong_metainfo_is_one_line(config, message):
    with pytest.raises(InputError, match=message) as error:
        build_unread(ConfigDict(config), 'x')
    assert '\n' not in str(error.value)


def test_missing_voc_names_its_files():
    config = dict(
        type='PascalVOCDataset',
        data_root='nowhere',
        ann_file='list.txt',
        data_prefix=dict(img_path='images', seg_map_path='labels'),
    )
    with pytest.raises(InputError, match='/images, nowhere/labels does not exist'):
        build_dataset(ConfigDict(config), 'x')


def test_first_dataset():
    camvid, toy = dict(type='CamVidDataset'), dict(type='ToyStreetDataset')
    config = Config(dict(train_dataloader=dict(dataset=toy), val_dataloader=dict(dataset=camvid)))
    assert first_dataset(config).metainfo['classes'][0] == 'Sky'
    with pytest.raises(InputError, match='has no dataset to name the classes, in none of test_'):
        first_dataset(Config(dict(test_dataloader=None)))
