import codecs

import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.label_formats.classes import class_list, colors, object_classes


def test_classes_of_objects():
    meaning = object_classes(['b', 'Void', 'a', '_background_'])
    assert meaning.names == ('background', 'b', 'a') and meaning.fill == 0
    assert meaning.labels == {'Void': 255, 'background': 0, 'b': 1, 'a': 2, '_background_': 0}
    chosen = class_list(['a', 'background', 'b'])
    assert object_classes(['b'], chosen).fill == 1
    assert (
        object_classes(['b', '_background_'], class_list(['a', 'b'])).labels['_background_'] == 255
    )
    with pytest.raises(InputError, match='256 classes; labels of 8 bits hold 255'):
        object_classes([str(index) for index in range(255)])
    assert len(object_classes([str(index) for index in range(254)]).names) == 255


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('a.txt', '\n', 'expected at least one'),
        ('a.txt', 'a\na', 'classes a, a'),
        ('a.txt', 'a\x07', 'class name'),
        ('a.json', '{"classes": ["a"]}', 'no "classes" and "palette"'),
        ('a.json', '{"classes": ["a"], "palette": []}', '0 colours for 1 classes'),
        ('a.json', '{"classes": ["a"], "palette": [[1, 2]]}', r'colour \[1, 2\]'),
        ('a.json', '{"classes": [3], "palette": [[1, 2, 3]]}', 'class name 3'),
    ],
)
def test_damaged_lists_of_classes_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        class_list(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    'data',
    [
        'straße\ncrack\n'.encode(),
        codecs.BOM_UTF8 + 'straße\r\ncrack\r\n'.encode(),
        '# of the street\n\n  straße \n\t\ncrack'.encode(),
        '__ignore__\nstraße\ncrack\n'.encode(),  # as labelme's files begin
        'straße\nVoid\ncrack\n'.encode(),
    ],
)
def test_lists_of_classes_as_editors_write_them(tmp_path, data):
    path = tmp_path / 'classes.txt'
    path.write_bytes(data)
    assert class_list(path).names == ('straße', 'crack')


def test_files_that_are_no_lists_of_classes_are_refused(tmp_path):
    for name in ('a.metainfo.py', 'data.yaml'):
        (tmp_path / name).write_text("classes = ('a', 'b')\n")
        with pytest.raises(InputError, match=r'expected metainfo\.json, or text of'):
            class_list(tmp_path / name)
    with pytest.raises(InputError, match="classes 'voc': expected a list of names"):
        class_list('voc')
    (tmp_path / 'a.txt').write_bytes('straße'.encode('cp1252'))
    with pytest.raises(InputError, match=r'a\.txt: not text in UTF-8'):
        class_list(tmp_path / 'a.txt')


def test_colours_are_those_of_voc():
    assert colors(256)[:3] == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    assert colors(256)[255] == [224, 224, 192]
