import cv2
import numpy as np
import pytest
from hostile_files import refused_images
from mmseg.datasets import PascalVOCDataset
from PIL import Image

from mmseg_eff.datasets.camvid import CamVidDataset
from mmseg_eff.errors import InputError
from mmseg_eff.label_formats import read_labels
from mmseg_eff.label_formats.classes import colors
from mmseg_eff.label_formats.tables import CAMVID, read_color_table, read_value_table


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return path.parent


def grey(*values, type=np.uint8):
    return np.array([values], type)


def rgb(*colors):
    return np.array([colors], np.uint8)


def draw(folder, format=None, **options):
    (item,) = read_labels(folder, format, **options).items
    return item.draw()


def test_voc_takes_the_index_of_the_palette(tmp_path):
    image = Image.fromarray(grey(0, 3, 20, 255))
    image.putpalette([value for color in colors(256) for value in color])
    image.save(tmp_path / 'a.png')
    labels = read_labels(tmp_path)
    assert labels.classes == PascalVOCDataset.METAINFO['classes'] and labels.palette[15] == [
        192,
        128,
        128,
    ]
    assert labels.items[0].draw().tolist() == [[0, 3, 20, 255]]
    with pytest.raises(
        InputError, match=r'a\.png: label value 3, 20 out of range; allowed are 0 to 1'
    ):
        draw(tmp_path, classes=('background', 'crack'))
    save(tmp_path / 'a.png', grey(21))
    with pytest.raises(InputError, match=r'a\.png: label value 21 out of range'):
        draw(tmp_path, 'voc')
    save(tmp_path / 'a.png', rgb((1, 2, 3)))
    with pytest.raises(InputError, match=r"PNG of mode 'RGB'; expected a palette PNG"):
        draw(tmp_path, 'voc')


def test_camvid_s_32_colors_are_its_11_classes():
    assert len(CAMVID) == 32
    classes = CamVidDataset.METAINFO['classes']
    assert tuple(dict.fromkeys(CAMVID.values())) == (*classes, 'void')
    # of Brostow's label_colors.txt, and of SegNet's 11 classes
    assert CAMVID[0, 0, 192] == 'Pavement' and CAMVID[192, 0, 192] == 'Bicyclist'
    assert CAMVID[128, 0, 192] == CAMVID[192, 0, 64] == 'Road'


def test_camvid_s_masks(tmp_path):
    folder = save(tmp_path / 'x.png', rgb((128, 128, 128), (0, 128, 64), (192, 0, 192), (0, 0, 0)))
    labels = read_labels(folder, colors='camvid')
    assert labels.items[0].draw().tolist() == [[0, 1, 10, 255]]
    assert labels.palette == CamVidDataset.METAINFO['palette']
    save(tmp_path / 'x.png', rgb((128, 128, 128), (1, 2, 3), (1, 2, 3)))
    with pytest.raises(
        InputError, match=r'x\.png: colour \(1, 2, 3\) in 2 pixels; the table has 32 colours: \(128'
    ):
        draw(folder, colors='camvid')


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('label_colors.txt', '64 128 64\tAnimal\n0 0 0\t\tVoid\n\n1 2 3 Sky Light\n4 2 3 Animal'),
        ('a.csv', 'name,r,g,b\nAnimal,64,128,64\nVoid,0,0,0\nSky Light,1,2,3\nAnimal,4,2,3\n'),
        (
            'a.csv',
            'name;r;g;b\r\nAnimal;64;128;64\r\nVoid;0;0;0\r\nSky Light;1;2;3\r\nAnimal;4;2;3',
        ),
        (
            'labelmap.txt',
            '# label:color_rgb:parts:actions\nAnimal:64,128,64::\nVoid:0,0,0::\n'
            'Sky Light:1,2,3:a,b:c\nAnimal:4,2,3::',
        ),
        (
            'a.json',
            '{"palette": [[64, 128, 64], [0, 0, 0], [1, 2, 3], [4, 2, 3]], '
            '"classes": ["Animal", "Void", "Sky Light", "Animal"]}',
        ),
        (
            'a.json',
            '[{"name": "Animal", "color": "#408040"}, {"name": "Void", "color": [0, 0, 0]}, '
            '{"name": "Sky Light", "color": [1, 2, 3]}, {"name": "Animal", "color": "#040203"}]',
        ),
    ],
)
def test_tables_of_colors(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_color_table(tmp_path / name) == {
        (64, 128, 64): 'Animal',
        (0, 0, 0): 'Void',
        (1, 2, 3): 'Sky Light',
        (4, 2, 3): 'Animal',
    }


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('a.txt', 'name,color\n', 'holds no colour'),
        ('a.txt', '1 2 3 a\n1 2 3 b', r"colour \(1, 2, 3\) is of 'a' and of 'b'"),
        ('a.txt', '1 2 3 a\nb', "line 2: 'b'; expected a name and R, G, B"),
        ('a.txt', '1 2 300 a', r'line 1: colour \[1, 2, 300\]'),
        ('a.txt', '1 2 3', "line 1: class name ''"),
        ('a.txt', '\xff', 'UTF-8'),
        ('a.json', '{"a": [1, 2]}', r'colour \[1, 2\]'),
        ('a.json', '{"a": "red"}', "colour 'red'"),
        ('a.json', '[{"color": [1, 2, 3]}]', 'class name None'),
        ('a.json', '{"palette": [[1, 2, 3]], "classes": []}', '"palette" without as many'),
        ('a.json', '3', 'expected names with colours'),
        ('a.json', '{', 'not JSON'),
    ],
)
def test_damaged_tables_of_colors_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_bytes(text.encode('latin-1'))
    with pytest.raises(InputError, match=message) as caught:
        read_color_table(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name)) and '\n' not in str(caught.value)


def test_order_of_classes_may_be_chosen(tmp_path):
    (tmp_path / 'class_dict.csv').write_text('a,0,0,0\nb,0,0,1\nignore,9,9,9')
    folder = save(tmp_path / 'masks/x.png', rgb((0, 0, 0), (0, 0, 1), (9, 9, 9)))
    labels = read_labels(folder, 'colors')
    assert labels.classes == ('a', 'b') and labels.palette == [[0, 0, 0], [0, 0, 1]]
    assert labels.items[0].draw().tolist() == [[0, 1, 255]]
    labels = read_labels(folder, 'colors', classes=('c', 'b', 'a'))
    assert labels.items[0].draw().tolist() == [[2, 1, 255]] and len(labels.palette) == 3
    with pytest.raises(InputError, match="class 'a' is none of the chosen ones: b"):
        read_labels(folder, 'colors', classes=('b',))
    (tmp_path / 'class_dict.csv').unlink()
    with pytest.raises(InputError, match='no table of colours'):
        read_labels(folder, 'colors')


def blobs(count):
    """Smooth regions (H, W) of ``count`` labels."""
    noise = np.random.default_rng(0).random((count, 200, 300)).astype(np.float32)
    return np.stack([cv2.GaussianBlur(plane, (0, 0), 12) for plane in noise]).argmax(0)


def test_jpeg_masks_get_the_nearest_color(tmp_path):
    names = [*dict.fromkeys(CAMVID.values())][:11]
    of_name = {name: color for color, name in reversed(CAMVID.items())}
    truth = blobs(11)
    folder = save(
        tmp_path / 'x.jpg',
        np.array([of_name[n] for n in names], np.uint8)[truth],
        quality=95,
        subsampling=0,
    )
    labels = draw(folder, colors='camvid')
    assert (labels != truth).mean() < 0.06


def test_binary_jpeg_masks_are_told_apart_in_the_middle(tmp_path):
    truth = blobs(2)
    folder = save(tmp_path / 'x.jpg', (255 * truth).astype(np.uint8), quality=75)
    labels = read_labels(folder)
    assert labels.classes == ('background', 'foreground')
    assert (labels.items[0].draw() != truth).mean() < 0.005
    save(tmp_path / 'x.jpg', np.stack([255 * truth] * 3, -1).astype(np.uint8), quality=75)
    assert (draw(folder) != truth).mean() < 0.005
    (tmp_path / 'x.jpg').unlink()
    folder = save(tmp_path / 'y.jpg', (60 * blobs(4)).astype(np.uint8), quality=95)
    with pytest.raises(InputError, match=r'y\.jpg: a lossy format changed its values'):
        read_labels(folder, 'values')
    labels = draw(folder, 'values', values={60 * i: f'class {i}' for i in range(4)})
    assert (labels != blobs(4)).mean() < 0.03


@pytest.mark.parametrize(
    ('pixels', 'expected', 'classes'),
    [
        (grey(0, 255), [0, 1], ('background', 'foreground')),
        (grey(0, 1), [0, 1], ('background', 'foreground')),
        (grey(0, 1, 255), [0, 1, 255], ('background', 'foreground')),
        (grey(0, 7, 11, 255), [0, 1, 2, 255], ('background', 'value_7', 'value_11')),
        (grey(3, 9), [0, 1], ('value_3', 'value_9')),
        (
            grey(0, 1000, 65535, type=np.uint16),
            [0, 1, 2],
            ('background', 'value_1000', 'value_65535'),
        ),
        (grey(False, True, type=bool), [0, 1], ('background', 'foreground')),
        (rgb((0, 0, 0), (255, 255, 255)), [0, 1], ('background', 'foreground')),
    ],
)
def test_values_become_contiguous(tmp_path, pixels, expected, classes):
    labels = read_labels(save(tmp_path / 'a.png', pixels))
    assert labels.classes == classes and labels.items[0].draw().tolist() == [expected]


def test_values_of_all_masks_count(tmp_path):
    save(tmp_path / 'a.png', grey(0, 255))
    folder = save(tmp_path / 'b.png', grey(0, 128))
    assert [item.draw().tolist() for item in read_labels(folder).items] == [[[0, 255]], [[0, 1]]]


def test_values_by_a_table(tmp_path):
    folder = save(tmp_path / 'masks/a.png', grey(0, 7, 9, 255))
    table = {0: 'background', 7: 'crack', 9: 'crack', 8: 'void'}
    labels = read_labels(folder, values=table)
    assert labels.classes == ('background', 'crack')
    assert labels.items[0].draw().tolist() == [[0, 1, 1, 255]]
    path = tmp_path / 'values.json'
    path.write_text('{"0": "background", "255": "crack"}')
    with pytest.raises(InputError, match=r'a\.png: value 7, 9; the table has 0, 255'):
        draw(folder, values=path)
    labels = read_labels(folder, classes=('a', 'b', 'c'))
    assert labels.classes == ('a', 'b', 'c')
    with pytest.raises(InputError, match='2 classes for 3 values: 0, 7, 9'):
        read_labels(folder, classes=('a', 'b'))


@pytest.mark.parametrize('text', ['0 a\n7: b c\n', 'value,name\n0,a\n7,b c\n', '0=a\n7;b c'])
def test_tables_of_values(tmp_path, text):
    path = tmp_path / 'values.txt'
    path.write_text(text)
    assert read_value_table(path) == {0: 'a', 7: 'b c'}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'is empty'),
        ('name\n', 'holds no value'),
        ('0 a\nb\n', "line 2: 'b'"),
        ('0 a\n0 b', "value 0 is of 'a' and of 'b'"),
        ('65536 a', "value '65536'"),
        ('9' * 5000 + ' a', 'expected a whole number'),
    ],
)
def test_damaged_tables_of_values_are_refused(tmp_path, text, message):
    path = tmp_path / 'values.txt'
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_value_table(path)
    assert str(caught.value).startswith(str(path)) and '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('pixels', 'message'),
    [
        (rgb((1, 2, 3), (4, 5, 6)), r'a\.png: is a colour mask; convert it by a table'),
        (grey(0), 'holds only the value 0; labels need two classes'),
        (grey(*range(256), 256, type=np.uint16), '256 classes; labels of 8 bits hold 255'),
    ],
)
def test_other_masks_are_refused(tmp_path, pixels, message):
    folder = save(tmp_path / 'a.png', pixels)
    with pytest.raises(InputError, match=message):
        read_labels(folder, 'values')


@pytest.mark.parametrize('format', ['voc', 'colors', 'values'])
def test_damaged_images_are_refused(tmp_path, format):
    options = dict(colors='camvid') if format == 'colors' else {}
    files = refused_images()
    assert files
    for name, data in files.items():
        path = tmp_path / 'x.png'
        path.write_bytes(data)
        with pytest.raises(InputError, match=r'x\.png: ') as caught:
            draw(tmp_path, format, **options)
        assert '\n' not in str(caught.value), name


def palette_mask(path, pixels, palette):
    image = Image.fromarray(np.array(pixels, np.uint8))
    image.putpalette([value for color in palette for value in color])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def test_palettes_of_one_s_own_classes_keep_their_indices(tmp_path):
    """Also where a split lacks one of the classes; a palette may have fewer than 256 colours."""
    palette = [(0, 0, 0), (9, 9, 9), (255, 0, 0), (0, 255, 0)]
    palette_mask(tmp_path / 'masks/a.png', [[0, 3, 0]], palette)
    palette_mask(tmp_path / 'masks/b.png', [[0, 255, 1]], palette + [(1, 1, 1)] * 252)
    labels = read_labels(tmp_path / 'masks')
    assert labels.classes == ('background', 'class_1', 'class_2', 'class_3')
    assert labels.palette == [[0, 0, 0], [9, 9, 9], [0, 128, 0], [0, 255, 0]]
    assert [item.draw().tolist() for item in labels.items] == [[[0, 3, 0]], [[0, 255, 1]]]
    assert not labels.notes()
    (tmp_path / 'class_names.txt').write_text('_background_\ncrack\njoint\nrust\n')  # labelme's
    assert read_labels(tmp_path / 'masks').classes == ('_background_', 'crack', 'joint', 'rust')


def test_palettes_in_another_order_are_noted(tmp_path):
    """As an image editor writes colour masks: an index is another class in each file."""
    palette_mask(tmp_path / 'a.png', [[0, 1, 1]], [(0, 0, 0), (255, 0, 0)])
    palette_mask(tmp_path / 'b.png', [[1, 0, 0]], [(255, 0, 0), (0, 0, 0)])
    labels = read_labels(tmp_path)
    for item in labels.items:
        item.draw()
    (note,) = labels.notes()
    assert note.startswith('1 masks give an index another colour') and 'as colors' in note
    labels = read_labels(tmp_path, 'colors', colors=write_table(tmp_path))
    assert [item.draw().tolist() for item in labels.items] == [[[0, 1, 1]]] * 2


def write_table(folder):
    path = folder / 'table.txt'
    path.write_text('0 0 0 background\n255 0 0 crack\n')
    return path


def test_all_256_indices_of_a_palette(tmp_path):
    pixels = np.arange(256).reshape(16, 16)
    palette_mask(tmp_path / 'a.png', pixels, [(i, 255 - i, 7) for i in range(256)])
    (item,) = read_labels(tmp_path).items
    assert np.array_equal(item.draw(), pixels)
