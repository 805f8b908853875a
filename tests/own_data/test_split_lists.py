import pytest

from mmseg_eff.errors import InputError
from mmseg_eff.own_data.split_lists import SplitList, find_lists, name_in, split_of

NAMES = [f'x/{i}' for i in range(10)]


@pytest.mark.parametrize(
    'line',
    ['x/3', 'x/3.jpg', 'images/x/3.jpg labels/x/3.png', '/data/images/x/3.jpg', 'images\\x\\3.jpg'],
)
def test_a_line_names_an_image_in_many_ways(line):
    assert name_in(line, frozenset(NAMES)) == 'x/3'


def test_a_line_of_another_image_is_none():
    assert name_in('x/30', frozenset(NAMES)) is None


def test_a_list_of_names_alone_is_used_as_it_is(tmp_path):
    lists = tmp_path / 'ImageSets/Segmentation'
    lists.mkdir(parents=True)
    (lists / 'train.txt').write_text('x/0\nx/1\n\n')
    (lists / 'val.txt').write_text('x/2.jpg\nx/99.jpg\n')
    found, note = find_lists(tmp_path, tmp_path / 'images', NAMES)
    assert found['train'] == SplitList(['x/0', 'x/1'], lists / 'train.txt')
    assert found['val'] == SplitList(['x/2'], None)
    assert note == '1 lines of the split lists name no image with a label'


def test_the_others_validate_without_a_list(tmp_path):
    (tmp_path / 'train.txt').write_text('\n'.join(NAMES[:8]))
    found, note = find_lists(tmp_path, tmp_path, NAMES)
    assert found['val'].names == NAMES[8:] and note == ''


def test_a_list_of_other_images_is_refused(tmp_path):
    (tmp_path / 'train.txt').write_text('a\nb\n')
    with pytest.raises(InputError, match=r'train.txt: none of its 2 lines names an image'):
        find_lists(tmp_path, tmp_path, NAMES)


def test_a_split_is_seeded_and_whole():
    one, same, other = split_of(NAMES, 0), split_of(NAMES[::-1], 0), split_of(NAMES, 1)
    assert one == same != other
    assert len(one['val'].names) == 2
    assert sorted(one['train'].names + one['val'].names) == NAMES
    with pytest.raises(InputError, match='1 image with a label'):
        split_of(['a'])
