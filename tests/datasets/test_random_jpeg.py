"""Training images compressed as cameras do."""

import cv2
import numpy as np
import pytest
from mmcv.transforms import Compose
from mmseg.registry import TRANSFORMS

from mmseg_eff.datasets.random_jpeg import RandomJPEG
from mmseg_eff.errors import InputError


def picture(height=48, width=64, channels=3):
    """A smooth picture with an edge, which JPEG changes everywhere a little."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([(3 * x + index * y) % 200 for index in range(channels)], -1)
    image[:, width // 2 :] += 50
    return image.astype(np.uint8)


def compress(image, quality):
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED).reshape(image.shape)


def run(image, **options):
    results = dict(img=image.copy(), gt_seg_map=image[..., 0].copy(), other=1)
    changed = RandomJPEG(**options)(results)
    assert changed['other'] == 1 and np.array_equal(changed['gt_seg_map'], image[..., 0])
    return changed['img']


def test_never_and_always():
    image = picture()
    for _ in range(20):
        assert np.array_equal(run(image, prob=0), image)
        assert np.array_equal(run(image, prob=1, quality=(40, 40)), compress(image, 40))


@pytest.mark.parametrize('shape', [(48, 64, 3), (48, 64, 1), (48, 64), (37, 51, 3), (1, 1, 3)])
def test_shapes_and_types_stay(shape):
    image = picture(*shape[:2], shape[2] if len(shape) == 3 else 1).reshape(shape)
    results = RandomJPEG(prob=1, quality=(30, 30))(dict(img=image))
    assert results['img'].shape == shape and results['img'].dtype == np.uint8
    assert np.array_equal(results['img'], compress(image, 30))
    if min(shape[:2]) > 1:
        difference = np.abs(results['img'].astype(int) - image)
        assert 0 < difference.mean() < 20


def test_colours_are_not_swapped():
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0] = 200  # blue
    assert np.abs(run(image, prob=1, quality=(95, 95)).astype(int) - image).max() < 10


def test_every_quality_of_the_range_occurs():
    image = picture()
    expected = {quality: compress(image, quality).tobytes() for quality in range(28, 34)}
    assert len(set(expected.values())) == 6
    found = {run(image, prob=1, quality=(29, 32)).tobytes() for _ in range(100)}
    assert found == {expected[quality] for quality in range(29, 33)}


def test_share_of_the_images():
    image = picture(8, 8)
    changed = sum(
        not np.array_equal(run(image, prob=0.3, quality=(5, 5)), image) for _ in range(500)
    )
    assert 110 < changed < 190  # 150 expected, sigma 10


def test_a_seed_gives_equal_images():
    image = picture()

    def draw():
        np.random.seed(3)
        transform = RandomJPEG(prob=0.5, quality=(20, 90))
        return [transform(dict(img=image.copy()))['img'] for _ in range(10)]

    first, again = draw(), draw()
    assert all(map(np.array_equal, first, again))
    assert len({image.tobytes() for image in first}) > 2


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(prob=-0.1), r'prob is -0\.1; 0 to 1 is allowed'),
        (dict(prob=1.5), r'prob is 1\.5'),
        (dict(prob=float('nan')), 'prob is nan'),
        (dict(quality=(0, 50)), r'quality is \(0, 50\); two numbers from 1 to 100 are allowed'),
        (dict(quality=(50, 101)), r'quality is \(50, 101\)'),
        (dict(quality=(80, 30)), 'the lower one first'),
        (dict(quality=(80,)), r'quality is \(80,\)'),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(InputError, match=f'^RandomJPEG: .*{message}'):
        RandomJPEG(**options)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((4, 4, 3), np.float32), '3 channels of float32; JPEG has one or three of uint8'),
        (np.zeros((4, 4), np.uint16), '1 channels of uint16'),
        (np.zeros((4, 4, 4), np.uint8), '4 channels of uint8'),
        (np.zeros((4, 4, 2), np.uint8), '2 channels of uint8'),
    ],
)
@pytest.mark.parametrize('prob', [0, 1])
def test_images_that_jpeg_cannot_hold(image, message, prob):
    with pytest.raises(InputError, match=f'RandomJPEG: the image has {message}'):
        RandomJPEG(prob=prob)(dict(img=image))


def test_as_a_config_names_it():
    step = TRANSFORMS.build(dict(type='RandomJPEG', prob=1, quality=[30, 95]))
    assert repr(step) == 'RandomJPEG(prob=1, quality=(30, 95))'
    assert Compose([dict(type='RandomJPEG')])(dict(img=picture()))['img'].shape == (48, 64, 3)
