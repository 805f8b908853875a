import numpy as np
import pytest
from dataset_folders import save

from mmseg_eff.errors import InputError
from mmseg_eff.own_data.image_facts import read_image_facts


def make(folder, *shapes, dtype=np.uint8, suffix='.png', value=100):
    paths = []
    for index, shape in enumerate(shapes):
        paths.append(folder / f'{dtype.__name__}{shape}{index}{suffix}')
        image = np.full(shape, value, dtype)
        image[0] += 50
        save(paths[-1], image)
    return paths


def test_grey_and_colour_are_photos(tmp_path):
    facts = read_image_facts(make(tmp_path, (8, 12), (10, 20, 3), (10, 20, 3)))
    assert facts == ((10, 20), 3, 'uint8', True, None, None)
    assert facts.kind == '8-bit colour'


def test_an_alpha_that_is_constant_is_no_band(tmp_path):
    (path,) = make(tmp_path, (8, 12, 4))
    image = np.full((8, 12, 4), 255, np.uint8)
    assert not read_image_facts([path]).is_photo
    save(path, image)
    assert read_image_facts([path]).is_photo


def test_four_bands(tmp_path):
    facts = read_image_facts(make(tmp_path, (10, 20, 4)))
    assert facts == ((10, 20), 4, 'uint8', False, 105.0, 15.0)
    assert facts.kind == '4 channels of uint8'


def test_sixteen_bits(tmp_path):
    facts = read_image_facts(make(tmp_path, (10, 20), dtype=np.uint16, suffix='.tif', value=3000))
    assert (facts.channels, facts.depth, facts.mean, facts.std) == (1, 'uint16', 3005.0, 15.0)


def test_images_of_two_kinds_are_named(tmp_path):
    paths = make(tmp_path, (8, 12, 3)) + make(tmp_path, (8, 12, 3), dtype=np.uint16)
    with pytest.raises(InputError, match=r'has 3 channels of uint8, but .* has 3 of uint16'):
        read_image_facts(paths)
