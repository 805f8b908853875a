import json

import cv2
import pytest
from dataset_folders import COUNTS, make_coco

from mmseg_eff.errors import InputError
from mmseg_eff.own_data.annotations import convert_annotations, split_named


def test_coco_of_two_splits(tmp_path):
    expected = make_coco(tmp_path / 'data')
    layout, converted = convert_annotations(tmp_path / 'data', tmp_path / 'out', 0)
    assert layout.name == expected.layout and converted.classes == expected.classes
    for split, count in COUNTS.items():
        part = layout.parts[split]
        assert part.images == tmp_path / f'data/images/{split}'
        assert len(part.listed.names) == count and part.listed.file.is_file()
        label = cv2.imread(str(part.labels / f'{part.listed.names[0]}.png'), -1)
        assert set(label.ravel().tolist()) <= {0, 1, 2}


def test_coco_of_one_file_beside_its_images(tmp_path):
    data = tmp_path / 'data'
    make_coco(data)
    (data / 'annotations/instances_train.json').rename(data / 'images/train/_annotations.coco.json')
    (data / 'annotations/instances_val.json').unlink()
    (data / 'images/train').rename(data / 'export')
    layout, _ = convert_annotations(data, tmp_path / 'out', 0)
    assert layout.parts['train'].images == data / 'export'
    assert len(layout.parts['val'].listed.names) == round(0.2 * COUNTS['train'])
    assert 'drawn with seed 0' in layout.notes[-1]


def test_images_that_are_missing_are_left_out(tmp_path):
    data = tmp_path / 'data'
    make_coco(data)
    next((data / 'images/train').iterdir()).unlink()
    layout, _ = convert_annotations(data, tmp_path / 'out', 0)
    assert len(layout.parts['train'].listed.names) == COUNTS['train'] - 1
    assert layout.notes[0] == '1 images that are missing or not .jpg are left out'


@pytest.mark.parametrize('has_images', [True, False])
def test_neither_masks_nor_annotations(tmp_path, make_image, has_images):
    if has_images:
        make_image(tmp_path / 'photos/a.jpg')
    (tmp_path / 'notes.json').write_text(json.dumps({'a': 1}))
    with pytest.raises(InputError, match='no images with labels of equal names in folders'):
        convert_annotations(tmp_path, tmp_path / 'out', 0)


@pytest.mark.parametrize(
    ('text', 'split'),
    [
        ('annotations/instances_train2017', 'train'),
        ('valid/_annotations.coco', 'val'),
        ('annotations/all', 'all'),
        ('training_data/x', 'train'),
        ('constrained/x', 'all'),
    ],
)
def test_split_of_a_path(text, split):
    assert split_named(text) == split
