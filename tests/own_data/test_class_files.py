import json

import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.own_data.class_files import find_class_file

BY_ID = '[{"id": 2, "name": "b"}, {"id": 1, "name": "a"}]'
CONVERTED = '{"classes": ["a", "b"], "palette": [[0, 0, 0], [1, 1, 1]]}'


@pytest.mark.parametrize(
    ('name', 'text', 'names', 'values'),
    [
        ('classes.txt', 'road\n\nside walk\n', ['road', 'side walk'], None),
        ('labels.txt', '0 soil\n255 crack\n', ['soil', 'crack'], {0: 'soil', 255: 'crack'}),
        ('classes.json', '["a", "b"]', ['a', 'b'], None),
        ('metainfo.json', CONVERTED, ['a', 'b'], None),
        ('label_map.json', '{"b": 4, "a": 0}', ['a', 'b'], {0: 'a', 4: 'b'}),
        ('label_map.json', '{"0": "a", "4": "b"}', ['a', 'b'], {0: 'a', 4: 'b'}),
        ('classes.json', BY_ID, ['a', 'b'], {1: 'a', 2: 'b'}),
        ('classes.json', '[{"name": "b"}, {"name": "a"}]', ['b', 'a'], None),
    ],
)
def test_names(tmp_path, name, text, names, values):
    (tmp_path / name).write_text(text)
    found = find_class_file([tmp_path / 'no', tmp_path])
    assert (found.names, found.values, found.has_colors) == (names, values, False)


def test_a_table_of_colours(tmp_path):
    (tmp_path / 'class_dict.csv').write_text('name,r,g,b\nroad,128,64,128\nsky,70,130,180\n')
    found = find_class_file([tmp_path])
    assert found.names == ['road', 'sky'] and found.has_colors


def test_none(tmp_path):
    (tmp_path / 'readme.txt').write_text('hello')
    assert find_class_file([tmp_path]) is None


@pytest.mark.parametrize('content', [{}, [1, 2], 'words'])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / 'classes.json').write_text(json.dumps(content))
    with pytest.raises(InputError):
        find_class_file([tmp_path])
