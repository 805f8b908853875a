import re

import cv2
import numpy as np
import pytest
from hostile import bounded
from label_formats.writers import cvat_rle, cvat_xml
from PIL import Image

from mmseg_eff.errors import InputError
from mmseg_eff.label_formats import read_labels, write_cvat_masks

SIZE = (8, 12)
BOX = '<box label="a" xtl="1" ytl="2" xbr="5" ybr="6"/>'
ENTITIES = ''.join(f'<!ENTITY e{i + 1} "&e{i};&e{i};">\n' for i in range(30))
LAUGHS = f"""<?xml version="1.0"?>
<!DOCTYPE annotations [<!ENTITY e0 "ha">
{ENTITIES}]>
<annotations><meta><labels><label><name>&e30;</name></label></labels></meta></annotations>
"""


def draw(path, **options):
    (item,) = read_labels(path, **options).items
    return item.draw()


def one(tmp_path, *elements, labels=('a', 'b'), size=SIZE, name='a.jpg'):
    return cvat_xml(tmp_path / 'annotations.xml', {name: (size, elements)}, labels)


def test_shapes_are_drawn_by_their_layer(tmp_path):
    diagonal = cvat_rle(np.eye(2, dtype=bool))
    path = one(
        tmp_path,
        '<polygon label="b" points="0,0;4,0;4,4;0,4" z_order="1"/>',
        BOX,
        '<polyline label="a" points="0,0;4,4"/>',
        f'<mask label="b" rle="{diagonal}" left="9" top="5" width="2" height="2"/>',
        '<tag label="a"/>',
    )
    labels = read_labels(tmp_path)
    expected = np.zeros(SIZE, int)
    expected[2:6, 1:5] = 1
    expected[:4, :4] = expected[5, 9] = expected[6, 10] = 2
    assert np.array_equal(labels.items[0].draw(), expected)
    assert labels.classes == ('background', 'a', 'b')
    assert labels.notes() == ['1 polyline annotations, which have no area']
    assert np.array_equal(draw(path), expected)


def test_run_lengths_of_cvat_go_along_the_rows(tmp_path):
    """The example of its documentation: rows of the box, the first run of background."""
    path = one(tmp_path, '<mask label="a" rle="1, 2, 1, 2" left="2" top="1" width="3" height="2"/>')
    labels = draw(path)
    assert labels[1:3, 2:5].tolist() == [[0, 1, 1], [0, 1, 1]] and labels.sum() == 4


def test_boxes_and_ellipses_turn_about_their_center(tmp_path):
    labels = draw(
        one(
            tmp_path,
            '<box label="a" xtl="20" ytl="30" xbr="60" ybr="50" rotation="90"/>',
            size=(80, 80),
        )
    )
    assert labels[20:60, 30:50].all() and labels.sum() == 800
    labels = draw(
        one(
            tmp_path,
            '<ellipse label="a" cx="40" cy="40" rx="30" ry="12" rotation="30"/>',
            size=(80, 80),
        )
    )
    expected = cv2.ellipse(np.zeros((640, 640), np.uint8), (320, 320), (240, 96), 30, 0, 360, 1, -1)
    expected = cv2.resize(expected, (80, 80), interpolation=cv2.INTER_AREA)
    assert (labels != expected).mean() < 0.02


def test_labels_of_special_names(tmp_path):
    labels = draw(
        one(
            tmp_path,
            BOX,
            '<box label="Background" xtl="2" ytl="3" xbr="3" ybr="4"/>',
            '<box label="void" xtl="3" ytl="3" xbr="4" ybr="4"/>',
            labels=('Background', 'a', 'void'),
        )
    )
    assert labels[3, 2] == 0 and labels[3, 3] == 255 and (labels == 1).sum() == 14


def test_entities_are_refused_at_once(tmp_path):
    path = tmp_path / 'annotations.xml'
    path.write_text(LAUGHS)
    with bounded(), pytest.raises(InputError, match='has a document type'):
        read_labels(path)
    path.write_text('<!DOCTYPE annotations SYSTEM "file:///etc/passwd"><annotations/>')
    with pytest.raises(InputError, match='has a document type'):
        read_labels(path)
    path.write_bytes(LAUGHS.replace('?>', ' encoding="utf-16"?>', 1).encode('utf-16'))
    with pytest.raises(InputError, match='has a document type'):
        read_labels(path, 'cvat')


@pytest.mark.parametrize(
    'name', ['../a.jpg', '/etc/a.jpg', 'x/../../a.jpg', 'C:\\a.jpg', '..\\a.jpg', '']
)
def test_names_stay_below_the_folder(tmp_path, name):
    with pytest.raises(InputError, match=r'image .* expected a path below'):
        read_labels(one(tmp_path, BOX, name=name))


@pytest.mark.parametrize(
    ('element', 'message'),
    [
        ('<polygon label="a" points="0,0;1,1"/>', 'at least 3'),
        ('<polygon label="a" points="0,0;1,x;2,2"/>', "points is 'x'"),
        ('<polygon label="a" points="0,0;1e9,1;2,2"/>', "points is '1e9'"),
        ('<polygon label="a" points="0,0;nan,1;2,2"/>', "points is 'nan'"),
        ('<polygon label="a"/>', 'points'),
        ('<box label="a" xtl="1"/>', 'ytl is None'),
        ('<box label="a" xtl="1" ytl="1" xbr="2" ybr="2" z_order="x"/>', "z_order is 'x'"),
        ('<box xtl="1" ytl="1" xbr="2" ybr="2"/>', 'class name None'),
        ('<ellipse label="a" cx="1" cy="1" rx="0" ry="1"/>', 'radii'),
        ('<mask label="a" rle="1,2" left="0" top="0" width="2" height="2"/>', 'covers 3 pixels'),
        ('<mask label="a" rle="1,-1,4" left="0" top="0" width="2" height="2"/>', 'whole numbers'),
        ('<mask label="a" rle="4" left="11" top="0" width="2" height="2"/>', 'reaches out'),
        ('<mask label="a" rle="4" left="-1" top="0" width="2" height="2"/>', 'reaches out'),
        ('<mask label="a" rle="4" left="0" top="0" width="99999" height="99999"/>', 'at most'),
        ('<mask label="a" rle="4" left="0.5" top="0" width="2" height="2"/>', 'whole number'),
    ],
)
def test_damaged_shapes_are_refused(tmp_path, element, message):
    path = one(tmp_path, element)
    with bounded(), pytest.raises(InputError, match=message) as caught:
        draw(path)
    assert str(caught.value).startswith(f'{path}: ') and '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('<annotations><track id="0"/></annotations>', 'CVAT for video'),
        ('<annotation/>', 'instead of <annotations>'),
        ('<annotations>', 'not XML'),
        ('x', 'not XML'),
        ('<?xml version="1.0" encoding="nonsense"?><annotations/>', 'not XML'),
        ('<annotations/>', 'no object of a class'),
        ('<annotations>' + '<a>' * 10**5, 'more than 32 deep'),
        (
            f'<annotations><image name="a" width="-1" height="5">{BOX}</image></annotations>',
            'size 5 x -1',
        ),
        (
            f'<annotations><image name="a" width="99999" height="9999">{BOX}</image></annotations>',
            'at most',
        ),
        (
            f'<annotations><image name="a.jpg" width="9" height="5">{BOX}</image>'
            '<image name="a.png" width="9" height="5"/></annotations>',
            "2 images have the name 'a'",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / 'annotations.xml'
    path.write_text(content)
    with bounded(), pytest.raises(InputError, match=message):
        read_labels(path, 'cvat')


def test_many_shapes_over_each_other_are_refused(tmp_path):
    size = (1000, 2000)
    shape = '<box label="a" xtl="0" ytl="0" xbr="2000" ybr="1000"/>'
    with pytest.raises(InputError, match='more than 1000 times'):
        draw(one(tmp_path, *[shape] * 1100, size=size))


def test_folder_for_cvat_has_its_layout(tmp_path):
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    palette = [[0, 0, 0], [10, 20, 30], [40, 50, 60]]
    names = write_cvat_masks(
        tmp_path,
        [('sub/a.jpg', labels), ('b.png', labels[:1])],
        ('background', 'a', 'b c'),
        palette,
    )
    assert names == ['sub/a', 'b']
    assert (tmp_path / 'labelmap.txt').read_text().splitlines() == [
        '# label:color_rgb:parts:actions',
        'background:0,0,0::',
        'a:10,20,30::',
        'b c:40,50,60::',
        'ignored:224,224,192::',
    ]
    assert (tmp_path / 'ImageSets/Segmentation/default.txt').read_text() == 'sub/a\nb\n'
    written = np.array(Image.open(tmp_path / 'SegmentationClass/sub/a.png'))
    assert written.tolist() == [[[0, 0, 0], [10, 20, 30]], [[40, 50, 60], [224, 224, 192]]]
    read = read_labels(tmp_path)
    assert read.palette == palette and read.classes == ('background', 'a', 'b c')


@pytest.mark.parametrize(
    'palette', [None, [[0, 0, 0], [1, 2, 3]], [[5, 5, 5], [5, 5, 5]], [[224, 224, 192], [1, 2, 3]]]
)
def test_colors_for_cvat_are_unique(tmp_path, palette):
    labels = np.array([[0, 1, 255]], np.uint8)
    write_cvat_masks(tmp_path, [('a.jpg', labels)], ('road', 'car'), palette)
    lines = (tmp_path / 'labelmap.txt').read_text().splitlines()
    assert lines[1] == 'background:0,0,0::'
    assert len(set(re.findall(r':(\d+,\d+,\d+):', '\n'.join(lines)))) == 4
    assert np.array_equal(draw(tmp_path, classes=('road', 'car')), labels)


def test_grey_masks_of_cvat_hold_numbers_of_its_labels(tmp_path):
    (tmp_path / 'SegmentationClass').mkdir()
    (tmp_path / 'labelmap.txt').write_text('b:1,1,1::\nbackground:0,0,0::\na:2,2,2::\n')
    cv2.imwrite(str(tmp_path / 'SegmentationClass/x.png'), np.array([[0, 1, 2]], np.uint8))
    assert draw(tmp_path).tolist() == [[1, 0, 2]]
    cv2.imwrite(str(tmp_path / 'SegmentationClass/x.png'), np.array([[0, 1, 3]], np.uint8))
    with pytest.raises(InputError, match=r'x\.png: value 3; .* 0 to 2'):
        draw(tmp_path)


def test_unknown_colors_of_cvat_are_refused(tmp_path):
    write_cvat_masks(tmp_path, [('a.jpg', np.ones((2, 2), np.uint8))], ('background', 'a'))
    path = tmp_path / 'SegmentationClass/a.png'
    cv2.imwrite(str(path), np.full((2, 2, 3), (3, 2, 1), np.uint8))
    with pytest.raises(
        InputError, match=r'a\.png: colour \(1, 2, 3\) in 4 pixels; the table has 3'
    ):
        draw(tmp_path)
