import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from pycocotools import mask as coco
from pycocotools.coco import COCO

from mmseg_eff.errors import InputError
from mmseg_eff.label_formats import (
    read_labels,
    write_coco,
    write_cvat_masks,
    write_label_studio,
)
from mmseg_eff.label_formats.brush_rle import decode_brush

CLASSES = ('background', 'crack', 'joint')
LABELS = np.array([[0, 1, 1, 2], [0, 0, 2, 255]], np.uint8)
WRITERS = [write_coco, write_cvat_masks, write_label_studio]


def test_coco_is_read_by_pycocotools(tmp_path, capsys):
    path = tmp_path / 'predictions.json'
    assert write_coco(path, [('a/x.jpg', LABELS), ('y.jpg', LABELS * 0)], CLASSES) == ['a/x', 'y']
    dataset = COCO(path)
    assert [dataset.imgs[i]['file_name'] for i in sorted(dataset.imgs)] == ['a/x.jpg', 'y.jpg']
    names = {index: record['name'] for index, record in dataset.cats.items()}
    assert names == {2: 'crack', 3: 'joint', 256: 'ignored'}
    drawn = np.zeros_like(LABELS)
    for annotation in dataset.loadAnns(dataset.getAnnIds(imgIds=1)):
        mask = dataset.annToMask(annotation)
        drawn[mask > 0] = {'crack': 1, 'joint': 2, 'ignored': 255}[names[annotation['category_id']]]
        assert annotation['area'] == mask.sum()
        assert annotation['bbox'] == coco.toBbox(coco.encode(np.asfortranarray(mask))).tolist()
    assert np.array_equal(drawn, LABELS) and not dataset.getAnnIds(imgIds=2)


def test_label_studio_gets_tasks_with_predictions(tmp_path):
    """As its documentation describes them, and label-studio-sdk 2.1.2 validates."""
    path = tmp_path / 'tasks.json'
    palette = [[0, 0, 0], [255, 0, 16], [1, 2, 3]]
    write_label_studio(
        path, [('a b/x.jpg', LABELS), ('y.jpg', LABELS * 0)], CLASSES, palette, image_root='s3://b/'
    )
    first, second = json.loads(path.read_text())
    assert first['data'] == dict(image='s3://b/a%20b/x.jpg')
    assert second['predictions'] == [dict(model_version='mmseg_eff', result=[])]
    (prediction,) = first['predictions']
    drawn = np.zeros_like(LABELS)
    for result in prediction['result']:
        assert (result['type'], result['from_name'], result['to_name']) == (
            'brushlabels',
            'label',
            'image',
        )
        assert (result['original_height'], result['original_width']) == LABELS.shape
        value = result['value']
        assert value['format'] == 'rle' and all(type(byte) is int for byte in value['rle'])
        label = {'crack': 1, 'joint': 2, 'ignored': 255}[value['brushlabels'][0]]
        drawn[decode_brush(value['rle'], LABELS.shape)] = label
    assert np.array_equal(drawn, LABELS)
    assert len({result['id'] for result in prediction['result']}) == 3
    config = ET.fromstring((tmp_path / 'tasks.xml').read_text())
    assert {(e.get('value'), e.get('background')) for e in config.iter('Label')} == {
        ('crack', '#ff0010'),
        ('joint', '#010203'),
        ('ignored', '#e0e0c0'),
    }
    assert config.find('BrushLabels').get('toName') == config.find('Image').get('name')


def test_predictions_are_no_labels_until_a_person_accepts_them(tmp_path):
    path = tmp_path / 'tasks.json'
    write_label_studio(path, [('x.jpg', LABELS)], CLASSES)
    with pytest.raises(InputError, match=r'tasks\.json: .* \(1 tasks without an annotation\)'):
        read_labels(path)


@pytest.mark.parametrize('write', WRITERS)
@pytest.mark.parametrize(
    'name', ['../x.jpg', '/x.jpg', 'a/../../x.jpg', 'C:\\x.jpg', '', 'a\nb.jpg']
)
def test_names_stay_in_the_folder(tmp_path, write, name):
    out = tmp_path / 'out'
    with pytest.raises(InputError, match='expected a path below the folder'):
        write(out, [(name, LABELS)], CLASSES)
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == []


@pytest.mark.parametrize('write', WRITERS)
@pytest.mark.parametrize(
    ('labels', 'classes', 'message'),
    [
        (LABELS, CLASSES[:2], "image 'x.*': label 2; allowed are 0 to 1 and 255"),
        (LABELS[0], CLASSES, r'labels of shape \(4,\)'),
        (LABELS / 2, CLASSES, 'type float64'),
        (LABELS[:0], CLASSES, 'labels of shape'),
        (LABELS, ('a', 'a', 'b'), 'classes a, a, b; expected'),
        (LABELS, ('a', 'b', ''), "class name ''"),
    ],
)
def test_what_is_no_label_map_is_refused(tmp_path, write, labels, classes, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path / 'out', [('x.jpg', labels)], classes)


def test_names_that_cvat_cannot_hold_are_refused(tmp_path):
    for name in ('a:b', '#a', ' a'):
        with pytest.raises(InputError, match=r'labelmap\.txt cannot hold'):
            write_cvat_masks(tmp_path, [('x.jpg', LABELS)], ('background', name, 'c'))


def test_labels_of_16_bits_are_written(tmp_path):
    for write in WRITERS:
        write(tmp_path / write.__name__, [('x.jpg', LABELS.astype(np.uint16))], CLASSES)
    (item,) = read_labels(tmp_path / 'write_cvat_masks').items
    assert np.array_equal(item.draw(), LABELS)


def test_an_interrupted_writer_leaves_the_older_file(tmp_path):
    path = tmp_path / 'tasks.json'
    write_label_studio(path, [('x.jpg', LABELS)], CLASSES)
    before = path.read_text()
    with pytest.raises(InputError):
        write_label_studio(path, [('x.jpg', LABELS), ('y.jpg', LABELS + 9)], CLASSES)
    assert path.read_text() == before and len([*tmp_path.iterdir()]) == 2
