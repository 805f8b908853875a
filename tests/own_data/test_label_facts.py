import cv2
import numpy as np
import pytest
from dataset_folders import save, save_palette
from PIL import Image

from mmseg_eff.errors import InputError
from mmseg_eff.own_data import label_facts
from mmseg_eff.own_data.label_facts import UNSURE, read_labels_facts

LABEL = np.array([[0, 1], [2, 255]], np.uint8).repeat(8, 0).repeat(8, 1)


def test_values_of_all_files_together(tmp_path):
    paths = [tmp_path / f'{i}.png' for i in range(2)]
    for path, label in zip(paths, (LABEL, LABEL // 100), strict=True):
        save(path, label)
    facts = read_labels_facts(paths)
    assert facts.values == {0, 1, 2, 255} and facts.is_index and not facts.colors


def test_many_files_are_read_by_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(label_facts, 'FEW', 1)
    paths = [tmp_path / f'{i}.png' for i in range(3)]
    for i, path in enumerate(paths):
        save(path, np.full((4, 4), i, np.uint8))
    assert read_labels_facts(paths).values == {0, 1, 2}


@pytest.mark.parametrize(
    ('image', 'suffix', 'is_index'),
    [
        (LABEL.astype(np.uint16) * 256, '.png', False),
        (LABEL[..., None].repeat(3, 2), '.png', False),  # grey, saved as colour
        (np.where(LABEL > 1, 255, 0).astype(np.uint8), '.jpg', False),
    ],
)
def test_values_of_other_formats(tmp_path, image, suffix, is_index):
    save(tmp_path / f'a{suffix}', image)
    facts = read_labels_facts([tmp_path / f'a{suffix}'])
    assert facts.values and facts.is_index == is_index and facts.is_lossy == (suffix == '.jpg')


def test_palette(tmp_path):
    save_palette(tmp_path / 'a.png', LABEL % 3)
    facts = read_labels_facts([tmp_path / 'a.png'])
    assert facts.values == {0, 1, 2} and facts.palette[1] == (128, 0, 0)


def test_colours(tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    image[2:] = 0, 0, 255  # BGR
    save(tmp_path / 'a.png', image)
    save(tmp_path / 'a.jpg', image.repeat(8, 0).repeat(8, 1))
    assert read_labels_facts([tmp_path / 'a.png']).colors == {(0, 0, 0), (255, 0, 0)}
    assert UNSURE in read_labels_facts([tmp_path / 'a.jpg']).colors


def test_a_photo_in_place_of_a_label_is_named(tmp_path):
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / 'a.png'), rng.integers(0, 256, (40, 40, 3), np.uint8))
    with pytest.raises(InputError, match=r'a.png: \d+ colours; a label has one colour'):
        read_labels_facts([tmp_path / 'a.png'])


def test_a_damaged_file_is_named(tmp_path):
    Image.fromarray(LABEL).save(tmp_path / 'a.png')
    (tmp_path / 'a.png').write_bytes((tmp_path / 'a.png').read_bytes()[:50])
    with pytest.raises(InputError, match=r'a.png: cannot be decoded'):
        read_labels_facts([tmp_path / 'a.png'])
