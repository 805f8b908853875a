"""Paths, folders, globs and arrays become sources with names for their outputs."""

import numpy as np
import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.inference.inputs import ArraySource, Source, collect_sources, read_inputs

BLACK = np.zeros((4, 6, 3), np.uint8)


def test_names_of_the_outputs(tmp_path, make_image):
    for name in ('x/a.png', 'x/a.jpg', 'x/b.webp', 'y/b.png'):
        make_image(tmp_path / name)

    def names(*inputs):
        return sorted(
            source.name for source in collect_sources([str(tmp_path / i) for i in inputs])
        )

    assert names('x') == ['a.jpg', 'a.png', 'b']
    assert names('x/a.*') == ['a.jpg', 'a.png']
    assert names('.') == ['x/a.jpg', 'x/a.png', 'x/b', 'y/b']
    assert names('x/b.webp', 'x') == ['a.jpg', 'a.png', 'b']
    assert names('x/b.webp', 'y/b.png') == ['b.png', 'b.webp']
    make_image(tmp_path / 'y/b.webp')
    with pytest.raises(InputError, match=r'b\.webp: two inputs have this name'):
        names('x/b.webp', 'y/b.webp', 'y/b.png')


def test_hidden_files_and_earlier_outputs_are_skipped(tmp_path, make_image, capsys):
    for name in (
        *('a.png', 'deep/b.jpg', '.hidden.png', '.cache/c.png', 'deep/._b.jpg'),
        *('labels/d.png', 'run/labels/a.png', 'run/overlays/a.png', 'run/e.png'),
    ):
        make_image(tmp_path / name)
    for name in ('notes.txt', 'deep/x.json', 'deep/list.csv'):
        (tmp_path / name).write_text('x')
    names = [source.name for source in collect_sources([str(tmp_path)])]
    assert names == ['a', 'deep/b', 'labels/d', 'run/e']  # labels/ alone are of no run
    expected = 'skipped 3 files of another suffix: list.csv, notes.txt, x.json\n'
    assert capsys.readouterr().err == expected
    names = [source.name for source in collect_sources([str(tmp_path / 'run/overlays')])]
    assert names == ['a']  # asked for
    assert [s.name for s in collect_sources([str(tmp_path / '.hidden.png')])] == ['.hidden']


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('none.png', 'no such file or folder, and no match as a glob'),
        ('empty', 'holds no image or video; known suffixes are .bmp'),
        ('notes.txt', 'holds no image or video'),
        ('*.gif', 'no match as a glob'),
    ],
)
def test_nothing_to_segment(tmp_path, given, message):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'notes.txt').write_text('x')
    with pytest.raises(InputError, match=message) as caught:
        collect_sources([str(tmp_path / given)])
    assert str(caught.value).startswith(str(tmp_path / given))


def test_arrays_and_paths_in_their_order(tmp_path, make_image):
    for name in ('x/b.png', 'x/a.png', 'c.png'):
        make_image(tmp_path / name)
    inputs = [BLACK, tmp_path / 'x', str(tmp_path / 'c.png'), BLACK + 1]
    sources = list(read_inputs(inputs))
    assert [source.name for source in sources] == ['array_000000', 'a', 'b', 'c', 'array_000001']
    assert [type(source) for source in sources] == [ArraySource, *[Source] * 3, ArraySource]
    assert sources[4].image.max() == 1
    assert [source.name for source in read_inputs(BLACK)] == ['array_000000']
    assert [source.name for source in read_inputs(tmp_path / 'c.png')] == ['c']


def test_arrays_of_an_iterator_are_taken_one_by_one():
    taken = []

    def camera():
        for index in range(3):
            taken.append(index)
            yield BLACK

    sources = read_inputs(camera())
    assert next(sources).name == 'array_000000'
    assert len(taken) == 1


def test_one_name_before_and_after_an_array(tmp_path, make_image):
    first, second = (make_image(tmp_path / folder / 'a.png') for folder in 'xy')
    with pytest.raises(InputError, match=rf'^{second}: another input has the name a, too$'):
        list(read_inputs([first, BLACK, second]))


@pytest.mark.parametrize('inputs', [7, [7], [None], 'abc.png'])
def test_inputs_that_are_none(inputs):
    with pytest.raises(InputError, match=r'must be a path or an array, got|no such file or folder'):
        list(read_inputs(inputs))
