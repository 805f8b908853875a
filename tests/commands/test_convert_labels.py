import json
import resource

import cv2
import numpy as np
import pytest
from hostile_files import coco_files
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset, PascalVOCDataset
from PIL import Image

from mmseg_eff.commands import convert_labels as module
from mmseg_eff.commands.convert_labels import main
from mmseg_eff.label_formats import FORMATS, voc_classes
from mmseg_eff.label_formats.classes import IGNORED
from mmseg_eff.label_formats.coco import draw_objects
from mmseg_eff.label_formats.voc_classes import VOC_LABELS
from mmseg_eff.safe_config.reader import read_safe_config

PERSON, BICYCLE, TRAIN, PIZZA = 1, 2, 7, 59  # COCO's ids
SIZE = (6, 8)
NAMES = {PERSON: 'person', BICYCLE: 'bicycle', TRAIN: 'train', PIZZA: 'pizza'}
AS_VOC = ('--classes', 'voc')
HOSTILE = coco_files()


def draw_labels(annotations, size):
    return draw_objects(annotations, size, VOC_LABELS, 0)


def box(top, bottom, left, right):
    return [[left, top, right, top, right, bottom, left, bottom]]


def annotation(category, segmentation, image=1, **fields):
    return dict(id=7, image_id=image, category_id=category, segmentation=segmentation, **fields)


def image(id, name, height=SIZE[0], width=SIZE[1]):
    return dict(id=id, file_name=name, height=height, width=width)


@pytest.fixture
def write(tmp_path):
    """Write a COCO file of images and annotations."""

    def write_file(images, annotations, names=NAMES, file='instances.json'):
        path = tmp_path / file
        categories = [dict(id=index, name=name) for index, name in names.items()]
        content = dict(images=images, annotations=annotations, categories=categories)
        path.write_text(json.dumps(content))
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


def test_choices():
    assert (voc_classes.OWN, *voc_classes.DATASETS) == (module.OWN, *module.DATASETS)
    assert module.IGNORED == IGNORED


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
    assert main(['coco', path, str(out), '--min-size', '6', *AS_VOC]) == 0
    assert capsys.readouterr().out.startswith(f'{out}: 2 labels, listed in {out}.txt\n')
    expected = np.zeros(SIZE, np.uint8)
    expected[:, 2] = 15
    assert np.array_equal(read(out / 'a.png'), expected)
    assert np.array_equal(read(out / 'sub/b.png'), np.repeat([[19] * 4 + [0] * 4], 6, axis=0))
    assert (out.parent / 'train.txt').read_text() == 'a\nsub/b\n'
    assert sorted(path.name for path in out.iterdir()) == ['a.png', 'sub']
    beside = ['train', 'train.metainfo.json', 'train.metainfo.py', 'train.txt']
    assert sorted(path.name for path in out.parent.iterdir()) == beside


def test_coco_as_foreground(write, out):
    crowd = annotation(PERSON, box(0, 6, 6, 8), iscrowd=1)
    path = write([image(1, 'a.jpg')], [annotation(TRAIN, box(0, 6, 0, 4)), crowd])
    assert main(['coco', path, str(out), '--min-size', '1', '--classes', 'foreground']) == 0
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
    assert main(['coco', write(images, [*people, crowd, thin]), str(out), *AS_VOC]) == 0
    assert [path.name for path in out.iterdir()] == ['large.png']
    assert (out.parent / 'train.txt').read_text() == 'large\n'


def test_nothing_left(write, out, capsys):
    path = write([image(1, 'a.jpg')], [annotation(PERSON, box(0, 6, 0, 4))])
    message = f'{path}: holds no image of at least 256 pixels'
    assert fails(capsys, 'coco', path, out, *AS_VOC) == message
    assert not out.parent.exists()


def test_files_that_are_no_annotations(tmp_path, out, capsys):
    path = tmp_path / 'wrong.json'
    assert fails(capsys, 'coco', path, out) == f'{path}: no such file or folder'
    for content in (b'{"images": [', b'\x89PNG\xff'):
        path.write_bytes(content)
        assert fails(capsys, 'coco', path, out).startswith(f'{path}: not JSON (')
    for content, key in (({'images': []}, 'annotations'), (NOTHING, 'categories')):
        path.write_text(json.dumps(content))
        message = f'{path}: no list {key!r}; expected COCO instance annotations'
        assert fails(capsys, 'coco', path, out) == message
    path.write_text(json.dumps(dict(images=[dict(id=1)], annotations=[])))
    assert fails(capsys, 'coco', path, out) == f"{path}: images[0] has no 'file_name'"


NOTHING = {'images': [], 'annotations': []}
RLE = dict(size=[6, 8], counts=[40])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(image_id=9), 'annotation 7 of the unknown image 9'),
        (dict(image_id=[9]), 'annotations[0] has image_id [9]'),
        (dict(category_id=9), 'annotation 7 has category 9; "categories" holds 1, 2, 7, 59'),
        (dict(segmentation=[[1e300, 0] * 3]), 'annotation 7: polygon reaches 1e+300; at most'),
        (dict(segmentation=[[1, 2, 3]]), 'annotation 7: polygon of 3 values is no list of finite'),
        (dict(segmentation=RLE), 'annotation 7: RLE covers 40 pixels; the image has 48'),
        (dict(segmentation=dict(counts=[48])), "annotation 7: RLE without 'size'"),
        (dict(segmentation=[[10**400, 0]]), 'annotation 7: int too large to convert to float'),
        (dict(segmentation=None), "annotation 7: 'NoneType' object is not iterable"),
    ],
)
def test_damaged_annotations(write, out, capsys, changes, message):
    path = write([image(1, 'a.jpg')], [{**annotation(PERSON, []), **changes}])
    error = fails(capsys, 'coco', path, out)
    assert error.startswith(f'{path}: ') and message in error
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ('second', 'message'),
    [
        (image(2, 'a.png'), "image 'a': shares its name or its id with another one"),
        (image(1, 'b.jpg'), "image 'b': shares its name or its id with another one"),
        (
            image(2, 'b.jpg', height=0),
            "image 'b': size 0 x 8 (height, width); expected whole numbers",
        ),
        (image(2, '../b.jpg'), "image '../b.jpg': expected a path below the folder of the images"),
        (image(2, '/b.jpg'), "image '/b.jpg': expected a path below the folder of the images"),
    ],
)
def test_damaged_images(write, out, capsys, second, message):
    path = write([image(1, 'a.jpg'), second], [])
    assert fails(capsys, 'coco', path, out) == f'{path}: {message}'


OWN = {1: 'crack', 90: 'rust', 3: 'other'}


def test_own_categories_in_the_order_of_the_file(write, out, capsys):
    annotations = [
        annotation(90, box(0, 6, 0, 4)),
        annotation(3, box(0, 2, 1, 3)),
        annotation(1, box(0, 6, 6, 8), iscrowd=1),
        annotation(1, box(0, 6, 0, 1), image=2),
    ]
    images = [image(1, 'x/a.jpg'), image(2, 'y\\a.jpg'), image(3, 'without.jpg')]
    assert main(['coco', write(images, annotations, OWN), str(out)]) == 0
    captured = capsys.readouterr()
    assert '1 images without an object are background' in captured.err
    file = out.with_name('train.metainfo.json')
    classes = '0 background, 1 crack, 2 rust, 3 other, 255 ignored'
    assert captured.out == f'{out}: 3 labels, listed in {out}.txt\n{file}: {classes}\n'
    assert read(out / 'x/a.png')[0].tolist() == [2, 3, 3, 2, 0, 0, 255, 255]
    assert read(out / 'y/a.png')[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert not read(out / 'without.png').any()
    assert out.with_name('train.txt').read_text() == 'x/a\ny/a\nwithout\n'


@pytest.mark.parametrize('read_config', [Config.fromfile, read_safe_config])
def test_metainfo_serves_a_config(write, out, tmp_path, read_config):
    path = write([image(1, 'a.jpg')], [annotation(1, box(0, 6, 0, 1))], OWN)
    assert main(['coco', path, str(out)]) == 0
    (tmp_path / 'config.py').write_text(
        "_base_ = ['labels/train.metainfo.py']\n"
        'metainfo = dict(classes=_base_.classes, palette=_base_.palette)\n'
    )
    metainfo = read_config(tmp_path / 'config.py').metainfo
    dataset = BaseSegDataset(metainfo=metainfo, lazy_init=True)
    assert list(dataset.metainfo['classes']) == ['background', 'crack', 'rust', 'other']
    assert dataset.metainfo['palette'] == PascalVOCDataset.METAINFO['palette'][:4]


def test_classes_of_another_split(write, out, capsys):
    path = write([image(1, 'a.jpg')], [annotation(1, box(0, 6, 0, 1))], OWN)
    assert main(['coco', path, str(out)]) == 0
    metainfo, val = out.with_name('train.metainfo.json'), out.with_name('val')
    images, objects = [image(1, 'a.jpg')], [annotation(8, box(0, 6, 0, 1))]
    path = write(images, objects, {8: 'rust'}, 'val.json')
    assert main(['coco', path, str(val)]) == 0
    assert f'{metainfo}: has other classes' in capsys.readouterr().err
    assert read(val / 'a.png').max() == 1
    assert main(['coco', path, str(val), '--like', str(metainfo)]) == 0
    assert 'other classes' not in capsys.readouterr().err
    assert read(val / 'a.png').max() == 2
    assert val.with_name('val.metainfo.json').read_bytes() == metainfo.read_bytes()
    path = write(images, objects, {8: 'dent'}, 'val.json')
    message = f"{path}: class 'dent' is none of the chosen ones: background, crack, rust, other"
    assert fails(capsys, 'coco', path, val, '--like', metainfo) == message


def test_boxes_without_a_mask(write, out, capsys):
    images, objects = [image(1, 'a.jpg')], [annotation(PERSON, [])]
    message = (
        "no pixel of a class but 'background' in 1 labels "
        '(1 annotations have no pixel (a box only?))'
    )
    path = write(images, objects)
    assert fails(capsys, 'coco', path, out) == f'{path}: {message}'
    assert (
        main(['coco', write(images, [*objects, annotation(TRAIN, box(0, 6, 0, 1))]), str(out)]) == 0
    )
    assert '1 annotations have no pixel (a box only?)' in capsys.readouterr().err


def test_a_category_named_background_is_0(write, out):
    objects = [annotation(0, box(0, 6, 0, 8)), annotation(4, box(0, 6, 0, 1))]
    path = write([image(1, 'a.jpg')], objects, {0: 'Background', 4: 'crack'})
    assert main(['coco', path, str(out)]) == 0
    assert read(out / 'a.png')[0].tolist() == [1] + [0] * 7
    assert json.loads(out.with_name('train.metainfo.json').read_text())['classes'] == [
        'background',
        'crack',
    ]


@pytest.mark.parametrize('classes', ['voc', 'foreground'])
@pytest.mark.parametrize(
    ('names', 'message'),
    [
        ({1: 'crack'}, "category 1 is 'crack'; expected 'person'"),
        ({3: 'person'}, "category 3 is 'person'; expected 'car'"),
        ({91: 'person'}, "category 91 is 'person'; expected the id 1"),
        ({91: 'crack'}, "no category is one of COCO's that VOC has"),
    ],
)
def test_voc_needs_the_names_of_coco(write, out, capsys, classes, names, message):
    objects = [annotation(index, box(0, 6, 0, 1)) for index in names]
    path = write([image(1, 'a.jpg')], objects, names)
    assert fails(capsys, 'coco', path, out, '--classes', classes) == f'{path}: {message}'
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        ({}, 'holds no object of a class'),
        ({i: f'c{i}' for i in range(255)}, '256 classes; labels of 8 bits hold 255 beside 255'),
        ({1: 'a', 2: 'a'}, "category 2: 'a' shares its id or its name with another"),
        ({1: None}, 'category 1: class name None; expected a word'),
    ],
)
def test_categories_that_labels_cannot_hold(write, out, capsys, names, message):
    path = write([image(1, 'a.jpg')], [], names)
    assert fails(capsys, 'coco', path, out).startswith(f'{path}: {message}')


def test_as_many_categories_as_8_bits_hold(write, out):
    objects = [annotation(253, box(0, 6, 0, 1))]
    path = write([image(1, 'a.jpg')], objects, {i: f'c{i}' for i in range(254)})
    assert main(['coco', path, str(out)]) == 0
    assert read(out / 'a.png').max() == 254


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
    assert capsys.readouterr().out.startswith(f'{out}: 2 labels, listed in {out}.txt\n')
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
    assert fails(capsys, 'voc', voc, out).startswith(f'{path}: cannot be decoded')


def test_voc_folders(voc, tmp_path, capsys):
    missing, empty = tmp_path / 'missing', tmp_path / 'empty'
    empty.mkdir()
    before = (voc / 'palette.png').read_bytes()
    assert fails(capsys, 'voc', missing, empty) == f'{missing}: no such file or folder'
    assert (
        fails(capsys, 'voc', empty, missing)
        == f'{empty}: holds no image (.bmp, .jpeg, .jpg, .png, .tif, .tiff, .webp)'
    )
    message = f'{voc}: is in the folder of the masks themselves; give another one'
    assert fails(capsys, 'voc', voc, voc) == message
    assert (voc / 'palette.png').read_bytes() == before


@pytest.mark.parametrize('name', HOSTILE)
def test_hostile_annotations_are_converted_or_one_line(tmp_path, capsys, name):
    path, out = tmp_path / 'a.json', tmp_path / 'labels/out'
    path.write_text(HOSTILE[name])
    if main(['coco', str(path), str(out)]):
        error = capsys.readouterr().err
        assert error.count('error: ') == 1 and f'error: {path}: ' in error
    assert {file.parent for file in tmp_path.rglob('*.png')} <= {out}


def test_an_image_of_more_pixels_than_a_label_may_have(write, out, capsys):
    record = dict(id=1, file_name='a.jpg', height=10**5, width=10**5)
    path = write([record], [])
    error = fails(capsys, 'coco', path, out)
    assert "image 'a': size 100000 x 100000" in error and 'MMSEG_EFF_MAX_PIXELS' in error


def test_many_masks_take_no_memory_of_the_image(tmp_path, capsys):
    """20,000 masks of one pixel: as arrays they would be 20 GB."""
    side, pixel = 1000, dict(size=[1000, 1000], counts=[5, 1, 999_994])
    objects = [dict(id=i, image_id=1, category_id=1, segmentation=pixel) for i in range(20_000)]
    path = tmp_path / 'a.json'
    images = [dict(id=1, file_name='a.jpg', height=side, width=side)]
    categories = [dict(id=1, name='crack')]
    path.write_text(json.dumps(dict(images=images, annotations=objects, categories=categories)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert main(['coco', str(path), str(tmp_path / 'out')]) == 0
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 200


def test_masks_that_cover_an_image_too_often(tmp_path, capsys):
    whole = dict(size=[1000, 1000], counts=[0, 10**6])
    objects = [dict(id=i, image_id=1, category_id=1, segmentation=whole) for i in range(101)]
    path = tmp_path / 'a.json'
    images = [dict(id=1, file_name='a.jpg', height=1000, width=1000)]
    categories = [dict(id=1, name='crack')]
    path.write_text(json.dumps(dict(images=images, annotations=objects, categories=categories)))
    message = f"{path}: image 'a': annotation 100: masks cover the image more than 100 times"
    assert fails(capsys, 'coco', path, tmp_path / 'out') == message


def test_formats_are_those_that_can_be_read():
    assert {*module.FORMATS} - {'auto'} | {'coco', 'voc'} == {*FORMATS}


def test_colour_masks_by_command(tmp_path, capsys):
    """CamVid's colours become SegNet's classes; ``auto`` finds the format."""
    masks = tmp_path / 'masks'
    masks.mkdir()
    colors = np.array([[[128, 128, 128], [128, 0, 0]], [[128, 64, 128], [0, 0, 0]]], np.uint8)
    cv2.imwrite(str(masks / 'a.png'), colors[..., ::-1])  # sky, building, road, void
    for name in ('colors', 'auto'):
        out = tmp_path / name
        assert main([name, str(masks), str(out), '--colors', 'camvid']) == 0
        label = cv2.imread(str(out / 'a.png'), cv2.IMREAD_UNCHANGED)
        assert label.tolist() == [[0, 1], [3, 255]]
        printed = capsys.readouterr().out
        assert f'{out}: 1 labels, listed in {out}.txt' in printed and '0 Sky, 1 Building' in printed


def test_values_by_command(tmp_path):
    masks, table = tmp_path / 'masks', tmp_path / 'values.txt'
    masks.mkdir()
    cv2.imwrite(str(masks / 'a.png'), np.array([[0, 7, 9]], np.uint8))
    table.write_text('0 background\n7 crack\n9 crack\n')
    assert main(['values', str(masks), str(tmp_path / 'out'), '--values', str(table)]) == 0
    assert read(tmp_path / 'out/a.png').tolist() == [[0, 1, 1]]


def test_voc_s_classes_of_coco_are_noted_like_any_format(write, out, capsys):
    images = [image(1, 'a.jpg'), image(2, 'b.jpg'), image(3, 'c.jpg', height=3)]
    objects = [annotation(PERSON, box(0, 6, 0, 4)), annotation(PIZZA, box(0, 6, 0, 8), image=2)]
    path = write(images, [*objects, annotation(TRAIN, [])])
    assert main(['coco', path, str(out), '--min-size', '6', *AS_VOC]) == 0
    notes = capsys.readouterr().err
    for note in (
        '1 images of a side below 6 pixels',
        '1 annotations of other categories',
        '1 annotations have no pixel',
        '1 images without an object are left out',
        'no pixel of aeroplane, ',
    ):
        assert f'{path}: {note}' in notes
