import pytest
from dataset_folders import COUNTS, MAKERS

from mmseg_eff.own_data.layouts import enter, find_layout

MASKS = [name for name in MAKERS if 'COCO' not in name]


@pytest.mark.parametrize('name', MASKS)
def test_the_layouts_of_masks(name, tmp_path):
    expected = MAKERS[name](tmp_path)
    layout = find_layout(enter(tmp_path))
    assert (layout.name, layout.suffixes) == (expected.layout, expected.suffixes)
    counts = {split: len(part.listed.names) for split, part in layout.parts.items()}
    assert sum(counts.values()) == sum(COUNTS.values())
    if 'drawn with seed 0' not in ''.join(layout.notes):
        assert counts == COUNTS
    for part in layout.parts.values():
        for name in part.listed.names:
            assert (part.images / f'{name}{layout.suffixes.image}').is_file()
            assert (part.labels / f'{name}{layout.suffixes.label}').is_file()


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_camvid(tmp_path):
    touch(tmp_path, 'train/a.png', 'trainannot/a.png', 'val/b.png', 'valannot/b.png')
    layout = find_layout(tmp_path)
    assert layout.name == 'split folders beside each other'
    assert layout.parts['val'].labels == tmp_path / 'valannot'


def test_split_folders_of_images_and_labels(tmp_path):
    touch(tmp_path, 'train/a.jpg', 'train/a.png', 'valid/b.jpg', 'valid/b.png')
    layout = find_layout(tmp_path)
    assert layout.parts['val'].images == layout.parts['val'].labels == tmp_path / 'valid'


def test_a_training_alone_is_split(tmp_path):
    touch(tmp_path, *(f'Images/train/{i}.jpg' for i in range(5)))
    touch(tmp_path, *(f'Masks/train/{i}.png' for i in range(5)))
    layout = find_layout(tmp_path)
    assert [len(layout.parts[split].listed.names) for split in ('train', 'val')] == [4, 1]


def test_images_without_labels_are_left_out(tmp_path):
    touch(tmp_path, *(f'images/{split}/{i}.jpg' for split in ('train', 'val') for i in range(3)))
    touch(tmp_path, *(f'labels/train/{i}.png' for i in range(3)), 'labels/val/2.png')
    layout = find_layout(tmp_path)
    train, val = layout.parts['train'], layout.parts['val']
    assert train.is_whole and not val.is_whole and val.listed.names == ['2']
    assert '2 images without a label *.png are left out, such as 0.jpg' in layout.notes[0]


def test_photos_alone_are_no_dataset(tmp_path):
    touch(tmp_path, 'a.jpg', 'b.jpg', 'images/c.jpg')
    assert find_layout(tmp_path) is None
