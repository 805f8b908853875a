import mmcv
import numpy as np
import pytest

from mmseg_eff.deploy import Segmenter, load_runtime
from mmseg_eff.deploy.runtime import resize_image

REPORT = dict(
    classes=['a'],
    palette=[[1, 2, 3]],
    size=[8, 9],
    inside=['normalise', 'labels'],
    inputs=['image'],
    resize=None,
    normalise=None,
)


@pytest.mark.parametrize('size', [(48, 64), (37, 91), (91, 37)])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_resize_is_mmcvs(size, backend):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    resize = dict(scale=[40, 20], backend=backend)
    expected = mmcv.imresize(image, (40, 20), backend=backend)
    assert np.array_equal(resize_image(image, dict(resize, keep_ratio=False)), expected)
    expected = mmcv.imrescale(image, (40, 20), backend=backend)
    assert np.array_equal(resize_image(image, dict(resize, keep_ratio=True)), expected)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((8, 9), np.uint8), r'of shape \(H, W, 3\), got uint8 of \(8, 9\)'),
        (np.zeros((8, 9, 3), np.float32), 'must be uint8 .* got float32'),
        (np.zeros((9, 8, 3), np.uint8), r'exported for \[8, 9\], got \(9, 8\)'),
    ],
)
def test_images_that_do_not_fit(image, message):
    segmenter = Segmenter(REPORT, lambda inputs: inputs['image'][..., 0])
    assert segmenter.segment(np.ones((8, 9, 3), np.uint8)).shape == (8, 9)
    with pytest.raises(ValueError, match=message):
        segmenter.segment(image)


def test_no_exported_folder(tmp_path):
    with pytest.raises(ValueError, match='no exported network'):
        load_runtime(tmp_path)
