import cv2
import numpy as np
import pytest

from mmseg_eff.datasets import bit_depth
from mmseg_eff.datasets.bit_depth import dark_image, has_16_bits
from mmseg_eff.datasets.image_reader import ImageReader

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


@pytest.mark.parametrize(('factor', 'is_dark'), [(1, False), (4, True), (16, True), (256, False)])
@pytest.mark.parametrize('suffix', ['.png', '.tif'])
def test_few_bits_in_a_16_bit_file(tmp_path, image, suffix, factor, is_dark):
    path = str(tmp_path / f'a{suffix}')
    image[0, 0] = 200
    stored = image.astype(np.uint16 if factor > 1 else np.uint8) * factor
    cv2.imwrite(path, stored)
    assert has_16_bits((tmp_path / f'a{suffix}').read_bytes()) == (factor > 1)
    message = dark_image(path, cv2.imread(path))
    assert (message is not None) == is_dark
    assert dark_image((tmp_path / f'a{suffix}').read_bytes(), cv2.imread(path)) == message
    if is_dark:
        largest = int(stored.max())
        assert f'largest value is {largest} ({largest.bit_length()} bits)' in message
    assert dark_image(path, stored) is None  # the loader keeps the depth


def test_8_bits_in_a_16_bit_file_are_read_as_black(tmp_path, image):
    path = str(tmp_path / 'a.png')
    cv2.imwrite(path, image.astype(np.uint16))
    read = cv2.imread(path)
    assert read.max() == 0
    assert 'becomes 0 of 255' in (dark_image(path, read) or '')
    cv2.imwrite(path, np.zeros_like(image, np.uint16))  # nothing is lost of a black image
    assert dark_image(path, cv2.imread(path)) is None


def test_dark_image_is_said_once(tmp_path, image, monkeypatch):
    said = []
    monkeypatch.setattr(bit_depth, '_warned', False)
    monkeypatch.setattr(bit_depth, 'print_log', lambda message, **_: said.append(message))
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), image.astype(np.uint16) * 16)
    for _ in range(2):
        ImageReader(PIPELINE).read(path)
        ImageReader().read(path)
    assert [message.partition(':')[0] for message in said] == [str(path)]
