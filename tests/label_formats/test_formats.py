import json
import random
import shutil

import numpy as np
import pytest
from hostile_files import coco_files
from label_formats.writers import (
    MASK_WRITERS,
    labelme_file,
    write_coco_file,
    write_studio_polygons,
    write_values,
)
from mmengine.config import Config

from mmseg_eff.errors import InputError
from mmseg_eff.label_formats import FORMATS, convert, detect, read_labels
from mmseg_eff.label_formats.source import LabelItem, label_name

CLASSES = ('background', 'crack', 'joint')
LABELS = np.array([[0, 1, 1, 2], [0, 0, 2, 255]], np.uint8)


def test_every_format_is_in_a_round_trip():
    assert {name for name, _ in MASK_WRITERS.values()} | {'yolo'} == FORMATS.keys()


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('x.zip', 'PK', 'cannot be unpacked'),
        ('x.json', '{}', 'of no format that can be read'),
        ('x.xml', '<annotation/>', 'of no format'),
        ('x.txt', 'x', 'of no format'),
    ],
)
def test_other_files_are_of_no_format(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        detect(path)
    assert '\n' not in str(caught.value)
    with pytest.raises(InputError, match='no such file or folder'):
        detect(tmp_path / 'missing')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(InputError, match='of no format'):
        detect(tmp_path / 'empty')


def test_options_are_those_of_the_format(tmp_path):
    path = write_coco_file(tmp_path, {'a': LABELS}, CLASSES)
    with pytest.raises(InputError, match='colors is not for the format coco'):
        read_labels(path, colors='camvid')
    with pytest.raises(InputError, match="format 'x'; expected one of coco, cvat"):
        read_labels(path, 'x')
    assert read_labels(path, split=None).classes == CLASSES


def test_convert_writes_lists_and_a_base_config(tmp_path):
    source = write_coco_file(tmp_path, {'a': LABELS}, (*CLASSES, 'never'))
    converted = convert(source, tmp_path / 'out/train')
    assert (tmp_path / 'out/train.txt').read_text() == 'a\n'
    metainfo = json.loads((tmp_path / 'out/train.metainfo.json').read_text())
    assert metainfo == dict(classes=[*CLASSES, 'never'], palette=converted.palette)
    config = Config.fromfile(tmp_path / 'out/train.metainfo.py')
    assert config.classes == converted.classes
    assert converted.notes == [f'{source}: no pixel of never']


def test_other_classes_beside_the_output_are_noted_for_every_format(tmp_path):
    first = convert(write_coco_file(tmp_path, {'a': LABELS}, CLASSES), tmp_path / 'out/train')
    masks = write_values(tmp_path / 'masks', {'a': LABELS}, CLASSES)
    other = convert(masks, tmp_path / 'out/val')
    hint = f'{first.metainfo_file}: has other classes; --like {first.metainfo_file} gives the same'
    assert [note for note in other.notes if note.startswith(hint)]
    same = convert(masks, tmp_path / 'out/val', classes=first.metainfo_file)
    assert same.classes == first.classes and not same.notes


def test_images_without_an_object_are_noted_for_every_format_of_objects(tmp_path):
    source = write_coco_file(tmp_path, {'a': LABELS, 'b': LABELS * 0}, CLASSES)
    notes = convert(source, tmp_path / 'out').notes
    assert notes == [f'{source}: 1 images without an object are background']
    notes = convert(source, tmp_path / 'out', classes=CLASSES[1:]).notes
    assert notes == [f'{source}: 1 images without an object are ignored']


@pytest.mark.parametrize('writer', ['coco', 'labelme masks', 'label_studio brushes'])
def test_a_json_file_is_parsed_once(tmp_path, monkeypatch, writer):
    (tmp_path / 'written').mkdir()
    MASK_WRITERS[writer][1](tmp_path / 'written', {'a': LABELS}, CLASSES)
    parsed, load = [], json.loads

    def count(data):
        parsed.append(data)
        return load(data)

    monkeypatch.setattr(json, 'loads', count)
    assert read_labels(tmp_path / 'written').items and len(parsed) == 1


def test_json_below_a_folder_is_found(tmp_path):
    """As CVAT exports COCO: ``annotations/instances_default.json`` beside the images."""
    (tmp_path / 'annotations').mkdir()
    write_coco_file(tmp_path / 'annotations', {'a': LABELS}, CLASSES)
    write_values(tmp_path / 'images', {'a': LABELS}, CLASSES)
    (item,) = read_labels(tmp_path).items
    assert detect(tmp_path) == 'coco' and np.array_equal(item.draw(), LABELS)
    write_coco_file(tmp_path / 'train', {'a': LABELS}, CLASSES)
    with pytest.raises(
        InputError, match=r'holds 2 files \*\.json \(annotations/instances\.json, tr'
    ):
        read_labels(tmp_path)


def test_convert_refuses_labels_of_one_class(tmp_path):
    source = write_coco_file(tmp_path, {'a': LABELS * 0}, CLASSES)
    with pytest.raises(InputError, match="no pixel of a class but 'background' in 1 labels"):
        convert(source, tmp_path / 'out')
    assert not (tmp_path / 'out.txt').exists()


def test_convert_does_not_write_into_the_masks(tmp_path):
    folder = write_values(tmp_path / 'masks', {'a': LABELS}, CLASSES)
    for out in (folder, folder / 'out'):
        with pytest.raises(InputError, match='in the folder of the masks'):
            convert(folder, out)
    assert len([*folder.rglob('*.*')]) == 1


def test_convert_names_the_damaged_file(tmp_path):
    folder = write_values(tmp_path / 'masks', {'a': LABELS, 'b': LABELS}, CLASSES)
    data = (folder / 'b.png').read_bytes()
    (folder / 'b.png').write_bytes(data[:50])
    with pytest.raises(InputError, match=r'b\.png: cannot be decoded'):
        convert(folder, tmp_path / 'out', values={7: 'a', 27: 'b', 47: 'c'})


def attempt(source, out, format):
    """Convert, or fail with one line that names the source."""
    try:
        convert(source, out, format)
    except InputError as error:
        assert str(source) in str(error) and '\n' not in str(error)
        return False
    return True


def test_hostile_coco_files_are_one_line(tmp_path):
    source, out = tmp_path / 'instances.json', tmp_path / 'labels/out'
    files = coco_files()
    assert files
    for content in files.values():
        source.write_text(content)
        attempt(source, out, 'coco')
    assert {path.parent for path in tmp_path.rglob('*.png')} <= {out}


DAMAGE = (None, -1, 0, 3.5, 1e300, 10**30, '', 'x', '../../x', [], {}, [[]], True, 2**31, 'a' * 500)


def damaged(content, rng):
    """The content with a value changed or taken away at a random place."""
    content = json.loads(json.dumps(content))
    inner, parent, key = content, None, None
    while isinstance(inner, dict | list) and inner and (parent is None or rng.random() < 0.85):
        keys = sorted(inner) if isinstance(inner, dict) else range(len(inner))
        parent, key = inner, rng.choice(keys)
        inner = inner[key]
    if rng.random() < 0.2:
        del parent[key]
    else:
        parent[key] = rng.choice(DAMAGE)
    return content


@pytest.mark.parametrize('writer', ['coco', 'labelme masks', 'label_studio brushes', 'polygons'])
def test_damaged_json_is_converted_or_one_line(tmp_path, writer):
    labels = np.kron(LABELS, np.ones((4, 4), np.uint8))
    if writer == 'polygons':
        name, write = 'label_studio', write_studio_polygons
    else:
        name, write = MASK_WRITERS[writer]
    source = write(tmp_path, {'a': labels}, CLASSES)
    source = source / 'a.json' if source.is_dir() else source
    content, rng, results = json.loads(source.read_text()), random.Random(0), set()
    out = tmp_path / 'labels/out'
    for _ in range(200):
        source.write_text(json.dumps(damaged(content, rng)))
        results.add(attempt(source, out, name))
    assert results == {True, False}
    assert {path.parent for path in tmp_path.rglob('*.png')} == {out}


def test_names_may_hold_what_file_names_may():
    for name in ('2026-01-01T12:30:05', 'straße/車 1', 'a.b', 'x\u0301'):
        assert label_name(f'{name}.jpg') == name


@pytest.mark.parametrize('name', ['../a.jpg', '/a.jpg', 'a/../../b', 'C:/a', '..', '', 'a\0b', 3])
def test_names_lead_nowhere_else(name):
    with pytest.raises(InputError, match='expected a path below'):
        label_name(name)


def test_two_images_of_one_name_are_refused(tmp_path):
    folder = write_values(tmp_path / 'masks', {'a': LABELS}, CLASSES)
    shutil.copy(folder / 'a.png', folder / 'a.bmp')
    with pytest.raises(InputError, match="2 images have the name 'a'"):
        read_labels(folder)


def test_items_are_drawn_only_when_asked(tmp_path):
    labelme_file(
        tmp_path / 'a.json',
        [dict(label='a', shape_type='mask', points=[[0, 0], [1, 1]], mask='#')],
        (4, 4),
    )
    (item,) = read_labels(tmp_path).items
    assert isinstance(item, LabelItem) and item.size == (4, 4)
    with pytest.raises(InputError, match='base64'):
        item.draw()
