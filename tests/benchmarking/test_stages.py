import cv2
import numpy as np
import pytest
from helpers import read_image

from mmseg_eff.benchmarking.stages import STAGES, Candidate, engine_of, load_candidate, run_once
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.deploy import segmentor as inference
from mmseg_eff.inference.segmentor import segment_image

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
OPTIONS = {'model.backbone.num_blocks': (1, 1)}
RESIZE = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(96, 64)),
    dict(type='PackSegInputs'),
]


@pytest.mark.parametrize(('keep_size', 'shape'), [(False, (64, 96)), (True, (40, 72))])
def test_stages_of_a_config(tmp_path, make_image, keep_size, shape):
    image = make_image(tmp_path / 'a.png', 40, 72)
    options = {**OPTIONS, 'test_pipeline': RESIZE}
    segmentor, clock = load_candidate(Candidate('net', CONFIG, None, options), 1, keep_size)
    laps = run_once(segmentor, clock, image, tmp_path / 'labels.png')
    assert tuple(laps) == STAGES and min(laps.values()) > 0
    assert clock.input_shape == shape
    labels = cv2.imread(str(tmp_path / 'labels.png'), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (40, 72)
    assert np.array_equal(labels, segment_image(segmentor.model, read_image(image)))


def test_stages_of_an_exported_folder(tmp_path, make_image, monkeypatch):
    class Runtime:
        report, palette, classes = dict(backend='onnx'), (), ()

        def segment(self, image):
            return self.run({'image': image})[0]

        def run(self, inputs):
            return (inputs['image'][None, ..., 0] // 64,)[0]

    threads = []

    def load_runtime(path, count):
        threads.append(count)
        return Runtime()

    monkeypatch.setattr(inference, 'load_runtime', load_runtime)
    image = make_image(tmp_path / 'a.png')
    segmentor, clock = load_candidate(Candidate('net', str(tmp_path)), 3, True)
    laps = run_once(segmentor, clock, image, tmp_path / 'labels.png')
    assert threads == [3] and clock.input_shape is None and clock.engine == 'onnx'
    assert tuple(laps) == STAGES and min(laps.values()) > 0
    labels = cv2.imread(str(tmp_path / 'labels.png'), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(labels, read_image(image)[..., 0] // 64)


@pytest.mark.parametrize(
    ('report', 'engine'),
    [
        (dict(backend='openvino', precision='f32'), 'openvino'),
        (dict(backend='openvino', precision='bf16'), 'openvino-bf16'),
        (dict(backend='openvino-int8', precision='int8'), 'openvino-int8'),
    ],
)
def test_engines_are_named_by_backend_and_precision(report, engine):
    assert engine_of(report) == engine


def test_weights_of_a_checkpoint(tmp_path, make_image):
    image = ImageReader().read(make_image(tmp_path / 'a.png', 32, 64))

    def load(checkpoint):
        return load_candidate(Candidate('net', CONFIG, checkpoint, OPTIONS), 1, True)

    first, clock = load(None)
    clock.start()
    expected = first.segment(image)
    path = tmp_path / 'weights.pth'
    save_checkpoint(dict(state_dict=first.model.state_dict(), meta={}), path)
    for checkpoint, is_equal in ((str(path), True), (None, False)):
        segmentor, clock = load(checkpoint)
        clock.start()
        assert np.array_equal(segmentor.segment(image), expected) == is_equal
