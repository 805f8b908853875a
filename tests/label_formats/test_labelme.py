import base64
import json

import numpy as np
import pytest
from label_formats.writers import labelme_file, png
from PIL import Image

from mmseg_eff.errors import InputError
from mmseg_eff.label_formats import read_labels

SHAPES = [
    ('polygon', [[1, 1], [9, 2], [4.5, 7]]),
    ('rectangle', [[14, 1], [11, 4]]),
    ('circle', [[18, 4], [20, 4]]),
    ('line', [[30, 2], [45, 2]]),
    ('linestrip', [[30, 18], [38, 26], [45, 20]]),
    ('point', [[8, 20]]),
    ('oriented_rectangle', [[14, 14], [20, 11], [23, 17], [17, 20]]),
]
# what labelme 6.3.1's shapes_to_label draws of SHAPES, called a to g
DRAWN = """
..............................dddddddddddddddd......
.a.........bbbb...............dddddddddddddddd......
..aaaaaaaa.bbbb..ccc..........dddddddddddddddd......
..aaaaaaa..bbbb.ccccc.........dddddddddddddddd......
...aaaaa...bbbb.ccccc.........dddddddddddddddd......
...aaaa.........ccccc.........dddddddddddddddd......
....aa...........ccc..........dddddddddddddddd......
....a.........................dddddddddddddddd......
....................................................
....................................................
....................................................
....................g...............................
..................ggg...............................
................gggggg..............................
..............gggggggg..............................
......fffff....gggggggg...........e.................
.....fffffff...gggggggg..........eee................
....fffffffff...gggggggg........eeeee.....e.........
...fffffffffff..gggggg.........eeeeeee...eee........
...fffffffffff...ggg..........eeeeeeeee.eeeee.......
...fffffffffff...g...........eeeeeeeeeeeeeeeee......
...fffffffffff..............eeeeeeeeeeeeeeeeee......
...fffffffffff.............eeeeeeeeeeeeeeeeeeee.....
....fffffffff...............eeeeeeeeeeeeeeeeeeee....
.....fffffff.................eeeeeeeeeeeeeeeeeeee...
......fffff...................eeeeeeeeeeeeeeeeee....
...............................eeeeeeeeeeeeeeee.....
................................eeeeeeeeeeeee.......
"""


def write(path, *shapes, size=(8, 12)):
    labelme_file(
        path, [dict(zip(('label', 'shape_type', 'points'), s, strict=True)) for s in shapes], size
    )
    return path


def draw(path):
    (item,) = read_labels(path).items
    return item.draw()


def rows(labels):
    return '\n'.join(''.join('.abcdefg'[label] for label in row) for row in labels)


def test_shapes_are_drawn_as_labelme_does(tmp_path):
    shapes = [(name, *shape) for name, shape in zip('abcdefg', SHAPES, strict=True)]
    assert rows(draw(write(tmp_path / 'x.json', *shapes, size=(28, 52)))) == DRAWN.strip()


def test_shapes_at_the_image_s_sides_are_cut(tmp_path):
    shapes = [
        ('a', 'polygon', [[-5, -5], [2, -5], [2, 2], [-5, 2]]),
        ('b', 'circle', [[11, 7], [11, 9]]),
        ('c', 'rectangle', [[100, 100], [200, 200]]),
        ('c', 'rectangle', [[6, 0], [7, 3], [6, 3], [7, 0]]),  # of four corners
    ]
    labels = draw(write(tmp_path / 'x.json', *shapes))
    assert (labels[:3, :3] == 1).all() and (labels == 1).sum() == 9
    assert (labels[:4, 6:8] == 3).all() and (labels == 3).sum() == 8
    assert labels[7, 11] == labels[5, 11] == 2 and labels[7, 9] == 2 and not labels[4].any()


def test_later_shapes_are_on_top_and_names_may_be_special(tmp_path):
    box = [[0, 0], [7, 7]]
    shapes = [
        ('b', 'rectangle', box),
        ('a', 'rectangle', [[2, 2], [7, 7]]),
        ('__ignore__', 'rectangle', [[4, 4], [7, 7]]),
        ('_background_', 'rectangle', [[6, 6], [7, 7]]),
    ]
    write(tmp_path / 'sub/y.json', *shapes, size=(8, 8))
    (tmp_path / 'settings.json').write_text('[1]')
    labels = read_labels(tmp_path)
    assert labels.classes == ('background', 'a', 'b') and labels.items[0].name == 'sub/y'
    assert labels.items[0].draw().diagonal().tolist() == [2, 2, 1, 1, 255, 255, 0, 0]
    assert labels.notes() == ["1 JSON files that are not labelme's"]


def test_classes_of_another_split(tmp_path):
    write(tmp_path / 'x.json', ('b', 'rectangle', [[0, 0], [1, 1]]))
    names = tmp_path / 'classes.txt'
    names.write_text('a\nb\n')
    labels = read_labels(tmp_path, classes=names)
    assert labels.classes == ('a', 'b') and set(np.unique(labels.items[0].draw())) == {1, 255}
    names.write_text('background\na\n')
    with pytest.raises(InputError, match="class 'b' is none of the chosen ones: background, a"):
        read_labels(tmp_path, classes=names)


MASK = np.ones((2, 3), bool)


@pytest.mark.parametrize(
    ('shape', 'message'),
    [
        (dict(shape_type='cube'), "shape_type 'cube'; expected one of polygon"),
        (dict(points=[[0, 0], [1, 1]]), 'at least 3'),
        (dict(points=[[0, 0], [1], [2, 2]]), r'points hold \[1\]'),
        (dict(points=[[0, 0], [1, None], [2, 2]]), 'points is None'),
        (dict(points=[[0, 0], [1, 1e300], [2, 2]]), r'points is 1e\+300'),
        (dict(points='abc'), "points 'abc'"),
        (dict(label=''), "class name ''"),
        (dict(label=3), 'class name 3'),
        (dict(label='a\x1b[31m'), 'class name'),
        (dict(shape_type='mask', points=[[0, 0], [2, 1]]), 'has no "mask"'),
        (dict(shape_type='mask', points=[[0, 0], [2, 1]], mask='#'), 'no base64'),
        (dict(shape_type='mask', points=[[0, 0], [2, 1]], mask='AAAA'), 'cannot be decoded'),
        (dict(shape_type='mask', points=[[0, 0], [2, 2]], mask=png(MASK)), 'mask of 2 x 3 pixels'),
        (dict(shape_type='mask', points=[[-1, 0], [1, 1]], mask=png(MASK)), 'reaches out'),
        (dict(shape_type='mask', points=[[2, 1], [0, 0]], mask=png(MASK)), r'size 0 x -1'),
    ],
)
def test_damaged_shapes_are_refused(tmp_path, shape, message):
    path = tmp_path / 'x.json'
    labelme_file(path, [dict(dict(label='a', points=[[0, 0], [1, 1], [2, 2]]), **shape)], (8, 12))
    with pytest.raises(InputError, match=message) as caught:
        draw(path)
    assert str(caught.value).startswith(f'{path}: shapes[0]: ') and '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(imageHeight=None), 'size None x 12'),
        (dict(imageHeight=10**6, imageWidth=10**6), 'at most 134217728 pixels'),
        (dict(shapes={}), '"shapes" is of type dict'),
        (dict(shapes=[1]), r'shapes\[0\]: 1 is no shape'),
        (dict(shapes=[]), 'no object of a class'),
    ],
)
def test_damaged_files_are_refused(tmp_path, change, message):
    path = write(tmp_path / 'x.json')
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        read_labels(path)


def test_outlines_far_away_take_no_time(tmp_path):
    far = [[-1e6, -1e6], [1e6, -1e6], [1e6, 1e6], [-1e6, 1e6]]
    with pytest.raises(InputError, match='outlines of'):
        draw(write(tmp_path / 'x.json', *[('a', 'polygon', far)] * 1000))


def test_folder_without_a_file_of_labelme_is_refused(tmp_path):
    (tmp_path / 'x.json').write_text('{}')
    with pytest.raises(InputError, match='no JSON file of labelme'):
        read_labels(tmp_path, 'labelme')


@pytest.mark.parametrize('given', ['x.jpg', '..\\photos\\x.jpg', '/home/me/x.jpg', 'C:\\me\\x.jpg'])
@pytest.mark.parametrize('is_embedded', [False, True])
def test_files_without_a_size_have_that_of_the_image(tmp_path, given, is_embedded):
    """Those of older versions: the image is in the file or beside it, turned as it is shown."""
    exif = Image.Exif()
    exif[274] = 6
    photo = tmp_path / ('elsewhere.jpg' if is_embedded else 'photos/../x.jpg')
    (tmp_path / 'photos').mkdir()
    Image.new('RGB', (12, 8)).save(photo, exif=exif)
    path = write(tmp_path / 'x.json', ('a', 'rectangle', [[0, 0], [2, 11]]))
    data = base64.b64encode(photo.read_bytes()).decode() if is_embedded else None
    change = dict(imageHeight=None, imageWidth=None, imageData=data, imagePath=given)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    labels = draw(path)
    assert labels.shape == (12, 8) and (labels[:, :3] == 1).all() and labels.sum() == 36


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(imagePath='gone.jpg'), r"its image 'gone\.jpg' is not there"),
        (dict(imagePath=''), "imagePath is ''"),
        (dict(imagePath=3), 'imagePath is 3'),
        (dict(imagePath='a\0'), 'imagePath is'),
        (dict(imageData='#'), 'imageData: is no base64'),
        (dict(imageData='AAAA'), 'imageData: cannot be decoded'),
    ],
)
def test_files_without_a_size_and_image_are_refused(tmp_path, change, message):
    path = write(tmp_path / 'x.json', ('a', 'rectangle', [[0, 0], [1, 1]]))
    content = json.loads(path.read_text()) | dict(imageHeight=None, imageWidth=None) | change
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f'{path}: ')


def test_hidden_files_are_skipped(tmp_path):
    """macOS writes ``._x.json`` beside ``x.json`` on other file systems."""
    write(tmp_path / 'x.json', ('a', 'rectangle', [[0, 0], [1, 1]]))
    (tmp_path / '._x.json').write_bytes(b'\0\5\x16\7')
    assert [item.name for item in read_labels(tmp_path).items] == ['x']
