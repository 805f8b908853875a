"""Our labels, in another tool's format, and back: equal up to what the format can hold."""

import cv2
import numpy as np
import pytest
from label_formats.writers import MASK_WRITERS, POLYGON_WRITERS, write_labelme, write_yolo

from mmseg_eff.label_formats import convert, detect, read_labels

WITH_BACKGROUND = ('background', 'crack', 'pothole', 'joint')
STREET = ('road', 'sidewalk', 'car', 'sky')  # without background: 255 outside of all objects


def noise(seed, classes, size=(33, 47)):
    """Single pixels of every class and the ignored one."""
    labels = np.random.default_rng(seed).integers(0, len(classes) + 1, size)
    return np.where(labels == len(classes), 255, labels).astype(np.uint8)


def blocks(seed, classes):
    """Regions of any outline and size, nested ones among them, but no hole to the background."""
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, len(classes), (4, 6)), np.ones((9, 8))).astype(np.uint8)
    count, parts = cv2.connectedComponents((labels == 0).astype(np.uint8), connectivity=4)
    at_edge = {*parts[0], *parts[-1], *parts[:, 0], *parts[:, -1]}
    for part in set(range(1, count)) - at_edge:
        labels[parts == part] = 1
    labels[3:5, 3:6] = len(classes) - 1
    labels[-6:-3, 20:30] = 255
    return labels


def images_of(make, classes):
    return {'a': make(0, classes), 'sub/b.c': make(1, classes)}


@pytest.mark.parametrize('classes', [WITH_BACKGROUND, STREET])
@pytest.mark.parametrize('writer', MASK_WRITERS)
def test_masks_keep_every_pixel(tmp_path, writer, classes):
    name, write = MASK_WRITERS[writer]
    images = images_of(noise, classes)
    source = write(tmp_path, images, classes)
    assert detect(source) == name
    labels = read_labels(source, classes=classes)
    assert labels.classes == classes and len(labels.palette) == len(classes)
    assert {item.name for item in labels.items} == set(images)
    for item in labels.items:
        drawn = item.draw()
        assert drawn.dtype == np.uint8 and drawn.shape == item.size
        assert np.array_equal(drawn, images[item.name])


@pytest.mark.parametrize('classes', [WITH_BACKGROUND, STREET])
@pytest.mark.parametrize('writer', POLYGON_WRITERS)
def test_polygons_keep_outlines(tmp_path, writer, classes):
    name, write = POLYGON_WRITERS[writer]
    images = images_of(blocks, classes)
    source = write(tmp_path, images, classes)
    assert detect(source) == name
    options = dict(split='train') if name == 'yolo' else {}
    labels = read_labels(source, classes=classes, **options)
    assert labels.classes == classes and not labels.left_out
    assert {item.name for item in labels.items} == set(images)
    for item in labels.items:
        assert np.array_equal(item.draw(), images[item.name]), item.name


@pytest.mark.parametrize('writer', POLYGON_WRITERS)
def test_own_categories_start_at_one(tmp_path, writer):
    name, write = POLYGON_WRITERS[writer]
    labels = blocks(2, WITH_BACKGROUND)
    source = write(tmp_path, {'a': labels}, WITH_BACKGROUND)
    read = read_labels(source, name)
    order = [read.classes.index(c) for c in WITH_BACKGROUND]
    assert order[0] == 0 and sorted(order) == [0, 1, 2, 3]
    expected = np.array([*order, *[255] * 252], np.uint8)[labels]
    assert np.array_equal(read.items[0].draw(), expected)


@pytest.mark.parametrize('write', [write_labelme, write_yolo])
def test_limit_of_polygons_holes_are_filled(tmp_path, write):
    labels = np.zeros((20, 30), np.uint8)
    labels[2:18, 2:28] = 1
    labels[8:12, 10:20] = 0
    source = write(tmp_path, {'a': labels}, WITH_BACKGROUND[:2])
    drawn = read_labels(source).items[0].draw()
    assert (drawn != labels).sum() == 40 and drawn[10, 15] == 1


def test_limit_of_polygons_pixels_alone_have_no_outline_in_labelme(tmp_path):
    labels = np.zeros((9, 9), np.uint8)
    labels[2, 3] = 1
    write_labelme(tmp_path, {'a': labels}, WITH_BACKGROUND[:2])
    with pytest.raises(ValueError, match=r'a\.json: shapes\[0\]: points .* at least 3'):
        read_labels(tmp_path)


def test_limit_of_yolo_digits_move_outlines(tmp_path):
    labels = blocks(3, WITH_BACKGROUND)
    write_yolo(tmp_path, {'a': labels}, WITH_BACKGROUND, digits=1)
    drawn = read_labels(tmp_path, classes=WITH_BACKGROUND).items[0].draw()
    assert 0 < (drawn != labels).mean() < 0.5


def test_convert_writes_what_a_dataset_reads(tmp_path):
    images = images_of(noise, WITH_BACKGROUND)
    source = MASK_WRITERS['coco'][1](tmp_path, images, WITH_BACKGROUND)
    converted = convert(source, tmp_path / 'labels/train')
    assert converted.format == 'coco' and converted.classes == WITH_BACKGROUND
    assert (tmp_path / 'labels/train.txt').read_text().split() == ['a', 'sub/b.c']
    assert converted.notes == []
    for name, labels in images.items():
        written = cv2.imread(str(tmp_path / f'labels/train/{name}.png'), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(written, labels)
    # another split, with the categories in another order, gets the same labels
    other = ('background', *reversed(WITH_BACKGROUND[1:]))
    table = np.array([0, 3, 2, 1, *[255] * 252], np.uint8)
    changed = {name: table[labels] for name, labels in images.items()}
    source = MASK_WRITERS['coco'][1](tmp_path / 'val', changed, other)
    converted = convert(source, tmp_path / 'labels/val', classes=converted.metainfo_file)
    assert converted.classes == WITH_BACKGROUND
    for name, labels in images.items():
        written = cv2.imread(str(tmp_path / f'labels/val/{name}.png'), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(written, labels)
