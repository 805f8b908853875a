import json

import cv2
import numpy as np
import pytest
from mmseg.datasets import PascalVOCDataset
from PIL import Image

from mmseg_eff.apis.convert_labels import VOC_LABELS, draw_labels, main

PERSON, BICYCLE, TRAIN, PIZZA = 1, 2, 7, 59  # COCO's ids
SIZE = (6, 8)


def box(top, bottom, left, right):
    return [[left, top, right, top, right, bottom, left, bottom]]


def annotation(category, segmentation, image=1, **fields):
    return dict(id=7, image_id=image, category_id=category, segmentation=segmentation, **fields)


def image(id, name, height=SIZE[0], width=SIZE[1]):
    return dict(id=id, file_name=name, height=height, width=width)


@pytest.fixture
def write(tmp_path):
    """Write a COCO file of images and annotations."""

    def write_file(images, annotations):
        path = tmp_path / 'instances.json'
        path.write_text(json.dumps(dict(images=images, annotations=annotations)))
        return str(path)

    return write_file


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'labels/train'


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def fails(capsys, *argv):
    """The error of a conversion that must fail, without ``error: `` and the line's end."""
    assert main([str(item) for item in argv]) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if 'converting' not in line]
    assert len(error) == 1
    return error[0].removeprefix('error: ')


def test_ids_stand_for_the_classes_of_voc():
    names = {  # names of COCO's categories where they differ from VOC's
        'aeroplane': 'airplane',
        'diningtable': 'dining table',
        'motorbike': 'motorcycle',
        'pottedplant': 'potted plant',
        'sofa': 'couch',
        'tvmonitor': 'tv',
    }
    coco = {  # from instances_train2017.json
        'person bicycle car motorcycle airplane bus train': range(1, 8),
        'boat bird cat dog horse sheep cow bottle chair': (9, 16, 17, 18, 19, 20, 21, 44, 62),
    }
    ids = dict(pair for text, own in coco.items() for pair in zip(text.split(), own, strict=True))
    ids |= {'couch': 63, 'potted plant': 64, 'dining table': 67, 'tv': 72}
    classes = PascalVOCDataset.METAINFO['classes']
    assert len(VOC_LABELS) == 20
    assert {ids[names.get(classes[voc], classes[voc])]: voc for voc in range(1, 21)} == VOC_LABELS


def test_coco_as_voc(write, out, capsys):
    images = [image(1, 'a.jpg'), image(5, 'sub/b.jpg'), image(6, 'c.jpg')]
    rle = dict(size=list(SIZE), counts=[12, 6, 30])  # third column
    path = write(
        images,
        [
            annotation(TRAIN, box(0, 6, 0, 4), image=5),
            annotation(PERSON, rle),
            annotation(PIZZA, box(0, 6, 0, 8), image=6),
        ],
    )
    assert main(['coco', path, str(out), '--min-size', '6']) == 0
    assert capsys.readouterr().out == f'{out}: 2 labels, listed in {out}.txt\n'
    expected = np.zeros(SIZE, np.uint8)
    expected[:, 2] = 15
    assert np.array_equal(read(out / 'a.png'), expected)
    assert np.array_equal(read(out / 'b.png'), np.repeat([[19] * 4 + [0] * 4], 6, axis=0))
    assert (out.parent / 'train.txt').read_text() == 'a\nb\n'
    assert sorted(path.name for path in out.iterdir()) == ['a.png', 'b.png']
    assert sorted(path.name for path in out.parent.iterdir()) == ['train', 'train.txt']


def test_coco_as_foreground(write, out):
    crowd = annotation(PERSON, box(0, 6, 6, 8), iscrowd=1)
    path = write([image(1, 'a.jpg')], [annotation(TRAIN, box(0, 6, 0, 4)), crowd])
    assert main(['coco', path, str(out), '--min-size', '0', '--classes', 'foreground']) == 0
    assert read(out / 'a.png').tolist() == [[1, 1, 1, 1, 0, 0, 255, 255]] * 6


def test_small_objects_stay_visible():
    small = annotation(PERSON, box(1, 3, 1, 3))
    large = annotation(TRAIN, box(0, 6, 0, 4), iscrowd=0)
    label = draw_labels([small, large], SIZE)
    assert np.array_equal(label, draw_labels([large, small], SIZE))
    assert (label == 15).sum() == 4
    assert (label == 19).sum() == 20


def test_of_equal_objects_the_later_one_is_seen():
    first, second = annotation(PERSON, box(0, 2, 0, 4)), annotation(BICYCLE, box(0, 2, 2, 6))
    assert draw_labels([first, second], SIZE)[0].tolist() == [15, 15, 2, 2, 2, 2, 0, 0]
    assert draw_labels([second, first], SIZE)[0].tolist() == [15, 15, 15, 15, 2, 2, 0, 0]


def test_crowds_and_other_categories():
    annotations = [
        annotation(TRAIN, box(0, 6, 0, 6)),
        annotation(PERSON, box(0, 6, 0, 2), iscrowd=1),
        annotation(PIZZA, box(0, 6, 3, 4)),
        annotation(PIZZA, box(0, 6, 6, 7), iscrowd=1),
    ]
    assert draw_labels(annotations, SIZE)[3].tolist() == [255, 255, 19, 19, 19, 19, 0, 0]


def test_images_left_out(write, out):
    images = [
        image(1, 'large.jpg', 256, 300),
        image(2, 'low.jpg', 255, 300),
        image(3, 'narrow.jpg', 300, 255),
        image(4, 'crowd.jpg', 256, 256),
        image(5, 'empty.jpg', 256, 256),
        image(6, 'thin.jpg', 256, 256),
    ]
    people = [annotation(PERSON, box(0, 9, 0, 9), image=index) for index in (1, 2, 3)]
    crowd = annotation(PERSON, box(0, 9, 0, 9), image=4, iscrowd=1)
    thin = annotation(PERSON, [[5, 5, 9, 9]], image=6)
    assert main(['coco', write(images, [*people, crowd, thin]), str(out)]) == 0
    assert [path.name for path in out.iterdir()] == ['large.png']
    assert (out.parent / 'train.txt').read_text() == 'large\n'


def test_nothing_left(write, out, capsys):
    path = write([image(1, 'a.jpg')], [annotation(PERSON, box(0, 6, 0, 4))])
    message = f'{path}: no image of at least 256 pixels holds a VOC class'
    assert fails(capsys, 'coco', path, out) == message
    assert not out.parent.exists()


def test_files_that_are_no_annotations(tmp_path, out, capsys):
    path = tmp_path / 'wrong.json'
    assert fails(capsys, 'coco', path, out) == f'{path}: no such annotation file'
    for content in (b'{"images": [', b'\x89PNG\xff'):
        path.write_bytes(content)
        assert fails(capsys, 'coco', path, out).startswith(f'{path}: not JSON (')
    for content, key in (([], 'images'), ({'images': []}, 'annotations')):
        path.write_text(json.dumps(content))
        message = f'{path}: no list {key!r}; expected COCO instance annotations'
        assert fails(capsys, 'coco', path, out) == message
    path.write_text(json.dumps(dict(images=[dict(id=1)], annotations=[])))
    assert fails(capsys, 'coco', path, out) == f"{path}: images[0] has no 'file_name'"


RLE = dict(size=[6, 8], counts=[40])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(image_id=9), 'annotation 7 of the unknown image 9'),
        (dict(segmentation=[[1, 2, 3]]), 'annotation 7: polygon of 3 values is no list of finite'),
        (dict(segmentation=RLE), 'annotation 7: RLE covers 40 pixels; the image has 48'),
        (dict(segmentation=dict(counts=[48])), "annotation 7: RLE without 'size'"),
        (dict(segmentation=[[10**400, 0]]), 'annotation 7: int too large to convert to float'),
        (dict(segmentation=None), "annotation 7: 'NoneType' object is not iterable"),
    ],
)
def test_damaged_annotations(write, out, capsys, changes, message):
    path = write([image(1, 'a.jpg')], [{**annotation(PERSON, []), **changes}])
    error = fails(capsys, 'coco', path, out, '--min-size', 0)
    assert error.startswith(f'{path}: {message}')
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ('second', 'message'),
    [
        (image(2, 'b/a.png'), 'image a shares its name or its id with another one'),
        (image(1, 'b.jpg'), 'image b shares its name or its id with another one'),
        (image(2, 'b.jpg', height=0), 'image b of size (0, 8) (height, width)'),
    ],
)
def test_damaged_images(write, out, capsys, second, message):
    path = write([image(1, 'a.jpg'), second], [])
    assert fails(capsys, 'coco', path, out) == f'{path}: {message}'


@pytest.fixture
def voc(tmp_path):
    """A grey label and one with a palette, each with all values."""
    folder = tmp_path / 'SegmentationClass'
    folder.mkdir()
    label = Image.fromarray(np.array([*range(21), 255], np.uint8).reshape(2, 11))
    label.save(folder / 'grey.png')
    label.putpalette(list(range(256)) * 3)
    label.save(folder / 'palette.png')
    return folder


@pytest.mark.parametrize(
    ('classes', 'values'),
    [('foreground', [0] + [1] * 20 + [255]), ('voc', [*range(21), 255])],
)
def test_voc(voc, out, capsys, classes, values):
    assert main(['voc', str(voc), str(out), '--classes', classes]) == 0
    assert capsys.readouterr().out == f'{out}: 2 labels\n'
    assert sorted(path.name for path in out.iterdir()) == ['grey.png', 'palette.png']
    for path in out.iterdir():
        assert Image.open(path).mode == 'L'
        assert read(path).ravel().tolist() == values


def test_voc_value_out_of_range(voc, out, capsys):
    path = voc / 'wrong.png'
    cv2.imwrite(str(path), np.array([[0, 21, 255]], np.uint8))
    message = f'{path}: label value 21 out of range; allowed are 0 to 20 and 255 (ignored)'
    assert fails(capsys, 'voc', voc, out, '--classes', 'foreground') == message
    assert not (out / path.name).exists()


def test_voc_truncated_file(voc, out, capsys):
    path = voc / 'grey.png'
    path.write_bytes(path.read_bytes()[:50])
    assert fails(capsys, 'voc', voc, out).startswith(f'{path}: cannot be decoded (')


def test_voc_folders(voc, tmp_path, capsys):
    missing, empty = tmp_path / 'missing', tmp_path / 'empty'
    empty.mkdir()
    before = (voc / 'palette.png').read_bytes()
    assert fails(capsys, 'voc', missing, empty) == f'{missing}: no such folder'
    assert fails(capsys, 'voc', empty, missing) == f'{empty}: holds no label *.png'
    message = f'{voc}: is the folder of the labels themselves; give another one'
    assert fails(capsys, 'voc', voc, voc) == message
    assert (voc / 'palette.png').read_bytes() == before
