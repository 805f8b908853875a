"""What a sample of the labels shows before a training, and datasets that are built unread."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config, ConfigDict

from mmseg_eff.dataset_check import build as datasets
from mmseg_eff.dataset_check.build import (
    build_dataset,
    build_unread,
    check_datasets,
    first_dataset,
    iterate_labels,
)
from mmseg_eff.errors import InputError

LOADERS = ('train_dataloader', 'val_dataloader')
CLASSES = ('background', 'a', 'b')


@pytest.fixture
def write(tmp_path):
    """Write a split of labels, each file with some values, and give its dataset's config."""

    def write(*files, name='train', **kwargs):
        for index, values in enumerate(files):
            label = np.full((4, 8), values[0], np.uint8)
            label.flat[: len(values)] = values
            image = np.random.default_rng(index).integers(0, 256, (4, 8, 3), np.uint8)
            for kind, array in (('images', image), ('labels', label)):
                path = tmp_path / name / kind / f'{index}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), array)
        return dict(
            type='BaseSegDataset',
            data_root=str(tmp_path / name),
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            img_suffix='.png',
            **{'metainfo': dict(classes=CLASSES), **kwargs},
        )

    return write


def check(train, val=None):
    loaders = dict(train_dataloader=dict(dataset=train), val_dataloader=val and dict(dataset=val))
    check_datasets(ConfigDict(loaders), *LOADERS)


GOOD = ((0, 1, 2, 255), (0, 1))
MASKS = ((0, 255), (0,), (0, 255))


@pytest.mark.parametrize(
    ('files', 'kwargs', 'message'),
    [
        (MASKS, {}, '0.png: holds only 0 and 255, which is ignored: no pixel of a second class'),
        (MASKS, dict(reduce_zero_label=True), '0.png: holds only 0 and 255, which are ignored'),
        (MASKS, dict(ignore_index=254), '0.png: label value 255 out of range; allowed are 0 to 2'),
        (((0, 11), (0,)), dict(ignore_index=11), '0.png: holds only 0 and 11, which is ignored'),
        (((0, 1), (2,)), dict(reduce_zero_label=True), 'holds 0 to 2, of which reduce_zero_label'),
        (((0, 1, 255), (2,)), dict(reduce_zero_label=True), 'drops the first class'),
        (((1, 2), (3, 2)), {}, 'holds 1 to 3, never 0: reduce_zero_label=True would read them'),
        (
            ((0, 1, 2), (3, 2)),
            {},
            'holds 0 to 3, one value more than the 3 classes: name the class',
        ),
        (((0, 1), (7, 2)), {}, '1.png: label value 7 out of range; allowed are 0 to 2 and 255'),
        (((0, 1), (1, 2)), dict(ignore_index=2), None),
        (((1, 2, 3), (0, 2)), dict(reduce_zero_label=True), None),
        (((0,), (0,)), {}, None),  # nothing is ignored
        (GOOD, {}, None),
    ],
)
@pytest.mark.parametrize('where', ['train', 'val', 'wrapped'])
def test_values_before_a_training(write, files, kwargs, message, where):
    doubtful = write(*files, name='doubtful', **kwargs)
    arguments = (doubtful,)
    if where == 'val':
        arguments = (write(*GOOD), doubtful)
    elif where == 'wrapped':
        concat = dict(type='ConcatDataset', datasets=[write(*GOOD), doubtful])
        arguments = (dict(type='RepeatDataset', times=2, dataset=concat),)
    if not message:
        check(*arguments)
        return
    with pytest.raises(InputError, match=re.escape(message)) as error:
        check(*arguments)
    assert '/doubtful/labels' in str(error.value)
    assert '\n' not in str(error.value)


def test_another_label_speaks_for_a_sample(write, monkeypatch):
    """Only two labels are sampled; what they lack is in one of the others."""
    monkeypatch.setattr(datasets, 'SAMPLE', 2)
    check(write((0, 255), (0, 255), (0, 1), (0, 255), name='rare'))
    files = ((0, 1), (0, 3), (2,), (0, 1))
    check(write(*files, name='reduced', reduce_zero_label=True))
    with pytest.raises(InputError, match='holds only 0 and 255'):
        check(write(*MASKS, *MASKS, name='masks'))


def test_another_split_speaks_for_the_value_of_the_last_class(write, monkeypatch):
    """A small validation set may lack the last class, a sample of the training set too."""
    monkeypatch.setattr(datasets, 'SAMPLE', 1)
    reduced = dict(reduce_zero_label=True)
    train = write((0, 1), (3, 1), name='train', **reduced)
    val = write((0, 1, 2), name='val', **reduced)
    check(train, val)
    with pytest.raises(InputError, match='holds 0 to 2'):
        check(write((0, 1), (0, 2), name='other', **reduced), val)


def test_blank_lines_of_a_list_are_no_images(write, tmp_path):
    config = write(*GOOD, (1, 2))
    (tmp_path / 'train/list.txt').write_text('\n0\n\n   \r\n2\n\n')
    config['ann_file'] = 'list.txt'
    dataset = build_dataset(ConfigDict(config), 'x')
    paths = [Path(dataset.get_data_info(index)['img_path']).name for index in range(len(dataset))]
    assert paths == ['0.png', '2.png']
    check(config)


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
