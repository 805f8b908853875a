import mmcv
import numpy as np
import pytest
from exported import run_alone, write_export, write_openvino

from mmseg_eff.deploy import Segmenter, load_runtime
from mmseg_eff.deploy.runtime_images import resize_image

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
        (np.zeros((0, 9, 3), np.uint8), r'got uint8 of \(0, 9, 3\)'),
        (
            np.zeros((9, 8, 3), np.uint8),
            r'exported for 8x9, got 9x8: export with --any-size, or with --size 9 8',
        ),
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


THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from runtime import load_runtime
rng = np.random.default_rng(0)
images = [rng.integers(0, 256, (rng.integers(8, 40), 32, 3), np.uint8) for _ in range(40)]
segmenter = load_runtime('.', threads=1)
alone = [segmenter.segment(image) for image in images]
assert len({label.tobytes() for label in alone}) == 40

def count_wrong(seed):
    order = np.random.default_rng(seed).permutation(40)
    return sum(not np.array_equal(segmenter.segment(images[i]), alone[i]) for i in order)

with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(count_wrong, range(8))))
"""


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_eight_threads_give_the_labels_of_one(tmp_path, backend):
    folder = write_export(tmp_path / 'export')
    if backend == 'openvino':
        write_openvino(folder)
    assert run_alone(THREADS, cwd=folder) == ['0']


def labels(shape, dtype='uint8'):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ('output', 'changed'),
    [
        pytest.param(labels((1, 9, 8)), {}, id='another size'),
        pytest.param(labels((2, 8, 9)), {}, id='two images'),
        pytest.param(labels((8, 9)), {}, id='no axis of images'),
        pytest.param(labels((1, 8, 9), 'int32'), {}, id='labels of 32 bits'),
        pytest.param(labels((1, 8, 9), 'float32'), {}, id='fractions'),
        pytest.param(labels(()), {}, id='a number'),
        pytest.param([labels((1, 8, 9))], {}, id='a list'),
        pytest.param({}, {}, id='a record'),
        pytest.param(labels((1, 8, 9), 'float32'), dict(num_labels=300), id='wide fractions'),
        pytest.param(labels((1, 0, 8, 9), 'float32'), dict(inside=[]), id='logits of no class'),
        pytest.param(labels((4, 8, 9), 'float32'), dict(inside=[]), id='logits without images'),
        pytest.param(labels((1, 4, 8, 9), 'uint8'), dict(inside=[]), id='whole logits'),
    ],
)
def test_output_that_the_report_does_not_describe(output, changed):
    constants = dict(mean=[0], std=[1], to_rgb=False)
    segmenter = Segmenter({**REPORT, 'normalise': constants, **changed}, lambda _inputs: output)
    with pytest.raises(ValueError, match='the network gives'):
        segmenter.segment(np.zeros((8, 9, 3), np.uint8))


def test_resize_to_too_many_pixels():
    resize = dict(scale=[2**15, 2**15], keep_ratio=False, backend='cv2')
    with pytest.raises(ValueError, match='cannot resize an image'):
        resize_image(np.zeros((8, 9, 3), np.uint8), resize)
