"""Images are read and written alike with OpenCV and Pillow, and resized alike with neither."""

import sys

import cv2
import mmcv
import numpy as np
import pytest
from PIL import Image

from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.deploy import runtime_images
from mmseg_eff.deploy.runtime_images import read_image, resize_image, write_labels

RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (20, 31, 3), np.uint8)
ORIENTATION = 0x0112  # of EXIF


OTHER = {'cv2': ('PIL', 'PIL.Image', 'PIL.ImageOps'), 'PIL': ('cv2',)}  # than the one to keep
one_package = pytest.mark.parametrize('package', OTHER)


def hide(monkeypatch, modules):
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)


def save(path, mode):
    """Write an image of a mode of Pillow's."""
    Image.fromarray(COLOR).convert(mode).save(path)
    return path


@one_package
@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'L', 'LA', 'P', '1'])
@pytest.mark.parametrize('kind', ['color', 'grayscale'])
def test_png_has_the_pixels_of_the_configs_loader(tmp_path, monkeypatch, package, mode, kind):
    path = save(tmp_path / 'a.png', mode)
    loading = dict(color_type=kind, imdecode_backend='cv2', to_float32=kind == 'grayscale')
    expected = ImageReader([dict(type='LoadImageFromFile', **loading)]).read(path)['img']
    hide(monkeypatch, OTHER[package])
    image = read_image(path, loading)
    assert image.dtype == expected.dtype and image.shape == expected.shape
    difference = np.abs(image.astype(float) - expected).max()
    is_exact = kind == 'color' or mode in ('L', 'LA', '1')
    assert difference <= (0 if is_exact else 1)  # grey of colours is rounded otherwise


@one_package
@pytest.mark.parametrize('kind', ['color', 'color_ignore_orientation', 'unchanged'])
def test_photos_are_turned_as_by_the_configs_loader(tmp_path, monkeypatch, package, kind):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = tmp_path / 'a.jpg'
    Image.fromarray(cv2.resize(COLOR, (310, 200))).save(path, exif=exif, quality=95)
    backend = 'pillow' if kind == 'unchanged' else 'cv2'
    loading = dict(color_type=kind, imdecode_backend=backend, to_float32=False)
    expected = ImageReader([dict(type='LoadImageFromFile', **loading)]).read(path)['img']
    hide(monkeypatch, OTHER[package])
    image = read_image(path, loading)
    assert image.shape == expected.shape == ((310, 200, 3) if kind == 'color' else (200, 310, 3))
    assert np.abs(image.astype(int) - expected).max() <= 4  # two decoders


def test_the_configs_decoder_comes_first(tmp_path, monkeypatch):
    path = save(tmp_path / 'a.png', 'RGB')
    used = []
    for name in ('decode_by_opencv', 'decode_by_pillow'):
        decode = getattr(runtime_images, name)
        monkeypatch.setattr(
            runtime_images, name, lambda *args, f=decode: used.append(f.__name__) or f(*args)
        )
    for backend in ('pillow', 'cv2', 'turbojpeg', None):
        image = read_image(path, dict(color_type='color', imdecode_backend=backend))
        assert np.array_equal(image, COLOR[..., ::-1])
    assert used == ['decode_by_pillow', *['decode_by_opencv'] * 3]
    assert np.array_equal(read_image(path), COLOR[..., ::-1])


def test_unchanged_keeps_16_bits_and_needs_opencv(tmp_path, monkeypatch):
    deep = (COLOR[..., 0].astype(np.uint16) << 8) + 3
    cv2.imwrite(str(tmp_path / 'a.png'), deep)
    loading = dict(color_type='unchanged', imdecode_backend='cv2', to_float32=True)
    image = read_image(tmp_path / 'a.png', loading)
    assert image.dtype == np.float32 and np.array_equal(image, deep)
    hide(monkeypatch, ['cv2'])
    with pytest.raises(ValueError, match='unchanged needs opencv-python-headless: pip install'):
        read_image(tmp_path / 'a.png', loading)
    with pytest.raises(ValueError, match=r'a\.png: .*Pillow reads no 8 bits of it'):
        read_image(tmp_path / 'a.png')


def test_neither_package(tmp_path, monkeypatch):
    path = save(tmp_path / 'a.png', 'RGB')
    hide(monkeypatch, ['cv2', 'PIL', 'PIL.Image'])
    message = 'needs opencv-python-headless or pillow: pip install opencv-python-headless$'
    with pytest.raises(ValueError, match=f'^reading {message}'):
        read_image(path)
    with pytest.raises(ValueError, match=f'^writing PNG files {message}'):
        write_labels(tmp_path / 'b.png', COLOR[..., 0])


@one_package
@pytest.mark.parametrize(
    ('content', 'message'),
    [(None, 'No such file'), (b'', 'cannot be decoded'), (b'GIF89a', 'cannot be decoded')],
)
def test_files_that_are_no_images(tmp_path, monkeypatch, package, content, message):
    hide(monkeypatch, OTHER[package])
    path = tmp_path / 'a.png'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f'^{path}: {message}'):
        read_image(path)


@one_package
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_labels_are_written_as_they_are(tmp_path, monkeypatch, package, dtype):
    labels = RNG.integers(0, np.iinfo(dtype).max, (9, 7), dtype)
    hide(monkeypatch, OTHER[package])
    write_labels(tmp_path / 'a.png', labels)
    monkeypatch.undo()
    read = cv2.imread(str(tmp_path / 'a.png'), cv2.IMREAD_UNCHANGED)
    assert read.dtype == dtype and np.array_equal(read, labels)
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


@pytest.mark.parametrize('size', [(48, 64), (37, 91), (91, 37)])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_resize_is_mmcvs(size, backend):
    image = RNG.integers(0, 256, (*size, 3), np.uint8)
    resize = dict(scale=[40, 20], backend=backend)
    expected = mmcv.imresize(image, (40, 20), backend=backend)
    assert np.array_equal(resize_image(image, dict(resize, keep_ratio=False)), expected)
    expected = mmcv.imrescale(image, (40, 20), backend=backend)
    assert np.array_equal(resize_image(image, dict(resize, keep_ratio=True)), expected)


@pytest.mark.parametrize('channels', [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ('size', 'wanted'),
    [
        ((37, 91), (20, 40)),
        ((37, 91), (80, 95)),
        ((40, 64), (20, 32)),
        ((40, 64), (20, 64)),
        ((20, 32), (40, 64)),
        ((1, 9), (5, 1)),
        ((9, 1), (1, 5)),
    ],
)
def test_resize_without_opencv_is_opencvs(monkeypatch, channels, size, wanted):
    image = RNG.integers(0, 256, (*size, channels), np.uint8)
    resize = dict(scale=[wanted[1], wanted[0]], keep_ratio=False, backend='cv2')
    images = [image, np.full_like(image, 255)]
    expected = [resize_image(image, resize) for image in images]
    hide(monkeypatch, ['cv2'])
    assert np.array_equal([resize_image(image, resize) for image in images], expected)
    with pytest.raises(ValueError, match=r'^resizing float32 needs opencv-python-headless'):
        resize_image(image.astype(np.float32), resize)


def test_resize_to_too_many_pixels():
    resize = dict(scale=[2**15, 2**15], keep_ratio=False, backend='cv2')
    with pytest.raises(ValueError, match='cannot resize an image'):
        resize_image(np.zeros((8, 9, 3), np.uint8), resize)
