import pytest

from mmseg_eff.own_data.pairs import Suffixes, find_suffixes, pair_files


@pytest.mark.parametrize(
    ('images', 'labels', 'expected'),
    [
        (['a.jpg', 'b.jpg'], ['a.png', 'b.png'], ('.jpg', '.png')),
        (['x/a.jpg'], ['x/a_mask.png'], ('.jpg', '_mask.png')),
        (['a_image.png'], ['a_label.png'], ('_image.png', '_label.png')),
        (['1.jpg', '10.jpg'], ['1.png', '10.png'], ('.jpg', '.png')),  # not 1.jpg with 10.png
        (['a.jpg'], ['a.jpg', 'a.png'], ('.jpg', '.png')),  # the lossless one
        (
            ['u/a_leftImg8bit.png'],
            [
                f'u/a_gtFine_{kind}.png'
                for kind in ('color', 'instanceIds', 'labelIds', 'labelTrainIds')
            ],
            ('_leftImg8bit.png', '_gtFine_labelTrainIds.png'),
        ),
        (['a.jpg'], ['b.png'], None),
        (['a.jpg'], ['x/a.png'], None),
    ],
)
def test_suffixes_of_two_folders(images, labels, expected):
    assert find_suffixes(images, sorted(labels)) == expected


@pytest.mark.parametrize(
    ('files', 'expected'),
    [
        (['a.jpg', 'a_mask.png', 'b.jpg', 'b_mask.png'], ('.jpg', '_mask.png')),
        (['a.png', 'a_mask.png', 'b.png', 'b_mask.png'], ('.png', '_mask.png')),
        (['a.jpg', 'a.png', 'b.jpg', 'b.png'], ('.jpg', '.png')),
        ([f'holiday-{i}.jpg' for i in range(9)] + ['holiday.jpg'], None),  # photos alone
    ],
)
def test_suffixes_of_one_folder(files, expected):
    files = sorted(files)
    assert find_suffixes(files, files, is_one=True) == expected


def test_what_has_no_label_is_named(tmp_path):
    for name in ('images/a.jpg', 'images/b.jpg', 'images/c.png', 'labels/a.png', 'images/.d.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    paired = pair_files(tmp_path / 'images', tmp_path / 'labels')
    assert paired == (Suffixes('.jpg', '.png'), ['a'], ['b.jpg', 'c.png'])
