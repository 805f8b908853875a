import cv2
import numpy as np
import pytest
from hostile import bounded
from PIL import Image

from mmseg_eff.errors import InputError
from mmseg_eff.label_formats import read_labels

SIZE = (10, 20)
SQUARE = '0 0 0 0.5 0 0.5 1 0 1'


@pytest.fixture
def dataset(tmp_path):
    """Write a dataset of one image; returns its folder."""

    def write(
        rows=SQUARE, config='train: images/train\nnames: [a, b]\n', image='images/train/x.png'
    ):
        path = tmp_path / image
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((*SIZE, 3), np.uint8))
        text = tmp_path / image.replace('images', 'labels').replace('.png', '.txt')
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text(rows)
        (tmp_path / 'data.yaml').write_text(config)
        return tmp_path

    return write


def draw(folder, **options):
    (item,) = read_labels(folder, **options).items
    return item.draw()


def test_smaller_polygons_are_on_top(dataset):
    folder = dataset(f'1 0 0 0.1 0 0.1 0.5 0 0.5\n\n{SQUARE}\n0 0.5 0.5 0.2 0.2\n')
    labels = read_labels(folder)
    drawn = labels.items[0].draw()
    expected = np.zeros(SIZE, int)
    expected[:, :10] = 1
    expected[:5, :2] = 2
    assert np.array_equal(drawn, expected)
    assert labels.classes == ('background', 'a', 'b') and labels.items[0].name == 'train/x'
    assert labels.notes() == ['1 boxes without a polygon']


def test_splits_and_layouts(dataset):
    config = 'path: .\ntrain: ../train/images\nval: [valid/images]\nnames: {0: a, 5: b}\n'
    dataset('5' + SQUARE[1:], config, 'valid/images/y.png')
    folder = dataset(SQUARE, config, 'train/images/sub/x.png')
    labels = read_labels(folder)
    assert [item.name for item in labels.items] == ['train/sub/x', 'val/y']
    assert [item.draw().max() for item in labels.items] == [1, 2]
    (item,) = read_labels(folder, split='val').items
    assert item.name == 'y'
    with pytest.raises(InputError, match=r"data\.yaml: has no split 'test'"):
        read_labels(folder, split='test')


def test_images_without_labels_are_background(dataset):
    folder = dataset('')
    cv2.imwrite(str(folder / 'images/train/z.jpg'), np.zeros((4, 5, 3), np.uint8))
    labels = read_labels(folder)
    assert [item.draw().max() for item in labels.items] == [0, 0]
    assert labels.notes() == ['1 images without a label file, which are background']


def test_sizes_are_those_of_images_as_they_are_shown(dataset):
    folder = dataset()
    (folder / 'images/train/x.png').unlink()
    image = Image.fromarray(np.zeros((*SIZE, 3), np.uint8))
    exif = image.getexif()
    exif[274] = 6  # a quarter turn
    image.save(folder / 'images/train/x.jpg', exif=exif)
    read = cv2.imread(str(folder / 'images/train/x.jpg'))
    drawn = draw(folder)
    assert drawn.shape == read.shape[:2] == SIZE[::-1] and drawn[:, :5].all()


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        ('2 0 0 1 0 1 1', 'class 2; "names" holds 0, 1'),
        ('x 0 0 1 0 1 1', "'x 0 0 1 0 1 1'; expected a class and numbers"),
        ('0 0 0 1 zero 1 1', 'expected a class and numbers'),
        ('0 0 0 1 0', None),  # a box
        ('0 0 0 1', '3 numbers'),
        ('0 0 0 1 0 1 1 1', '7 numbers'),
        ('0 0 0 1 0 1 1.5', 'corner at 1.5; expected shares'),
        ('0 0 0 1 0 1 nan', 'corner at nan'),
        ('0 0 0 1 0 1 -1e300', r'corner at -1e\+300'),
        ('0 ' + '9' * 5000 + ' 0 1 0 1 1', 'corner at'),
    ],
)
def test_damaged_rows_are_refused(dataset, row, message):
    folder = dataset(f'\n{row}\n')
    if message is None:
        assert not draw(folder).any()
        return
    with pytest.raises(InputError, match=message) as caught:
        draw(folder)
    where = f'{folder}/labels/train/x.txt: line 2: '
    assert str(caught.value).startswith(where) and '\n' not in str(caught.value)


BOMB = 'a: &a [x, x]\n' + ''.join(
    f'{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n' for i in range(24)
)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ('', 'is empty'),
        ('- a', 'has no "names"'),
        ('names: [a', 'not YAML'),
        ('names: [a, 3]\ntrain: images/train', 'class name 3'),
        ('names: [a, a]', 'holds no image'),
        ('names: {a: b}\ntrain: images/train', 'expected a list, or a table'),
        ('names: [a]\ntrain: missing', r"train: no folder 'missing'"),
        ('names: [a]\ntrain: 3', 'train is'),
        ('names: [a]', 'holds no image'),
        ('names: !!python/object/apply:os.system ["touch ran"]', 'not YAML'),
        (BOMB + 'names: *z', r'holds the YAML alias \*a'),
        (f'names: {"[" * 10**4}', 'more than 16 levels deep'),
        (f'names: [{"a, " * 10**5}]', 'at most 100000'),
        ('names: [2001-99-99]', 'not YAML'),
        ('names: [a]\ntrain: \x00', 'not YAML'),
    ],
)
def test_damaged_configs_are_refused(dataset, config, message):
    folder = dataset(config=config)
    with bounded(), pytest.raises(InputError, match=message) as caught:
        read_labels(folder)
    assert str(caught.value).startswith(f'{folder}/data.yaml: ') and '\n' not in str(caught.value)


def test_images_that_are_none_are_refused(dataset):
    folder = dataset()
    (folder / 'images/train/x.png').write_bytes(b'x')
    with pytest.raises(InputError, match=r'x\.png: cannot be decoded'):
        read_labels(folder)


@pytest.mark.parametrize(
    'config',
    [
        'train: images/train\nnames: {0: a, 1: b}\n',
        "train: images/train\nnames: {'0': a, '1': b}\n",
        'path: ../datasets/mine\ntrain: images/train\nnames:\n  - a\n  - b\n',
        'train: ../images/train\nnames: [a, b]\n',  # Roboflow's
        'train: /content/mine/images/train\nnames: [a, b]\n',  # of another machine
        "train: 'C:\\data\\mine\\images\\train'\nnames: [a, b]\n",
        '\ufeffpath: .\r\ntrain: images/train\r\nnames: [a, b]\r\n',
        'path: .\ntrain: train.txt\nnames: [a, b]\n',  # CVAT's
    ],
)
def test_configs_as_the_tools_write_them(dataset, config):
    folder = dataset(f'\ufeff{SQUARE}\r\n', config)
    (folder / 'train.txt').write_text('data/images/train/x.png\r\n\r\n')
    labels = read_labels(folder)
    assert [item.name for item in labels.items] == ['train/x']
    assert labels.classes == ('background', 'a', 'b')
    assert (labels.items[0].draw() == 1).mean() == 0.5


def test_lists_of_images(dataset):
    for name in ('images/train/x.png', 'images/train/sub/y.png'):
        folder = dataset(image=name, config='train: lists/train.txt\nnames: [a, b]\n')
    (folder / 'lists').mkdir()
    path = folder / 'lists/train.txt'
    path.write_text('../images/train/x.png\n../images/train/sub/y.png\n')
    labels = read_labels(folder, split='train')
    assert [item.name for item in labels.items] == ['x', 'sub/y']
    assert all((item.draw() == 1).any() for item in labels.items)
    path.write_text('../images/train/x.png\ngone.png\n')
    with pytest.raises(InputError, match=r"train\.txt: line 2: no image 'gone\.png'"):
        read_labels(folder)
    for line in ('\0.png', 'x' * 300, '/etc/passwd\x1b'):
        path.write_text(f'{line}\n')
        with bounded(), pytest.raises(InputError, match='line 1: no image'):
            read_labels(folder)
    path.write_text('\n')
    with pytest.raises(InputError, match='lists no image'):
        read_labels(folder)


def test_valid_is_another_name_of_val(dataset):
    folder = dataset(config='validation: images/train\nnames: [a, b]\n')
    assert [item.name for item in read_labels(folder).items] == ['val/x']
    assert [item.name for item in read_labels(folder, split='val').items] == ['x']
