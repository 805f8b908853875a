"""The int8 step with functions in the place of OpenVINO and NNCF, which a slow test runs."""

import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from exported import NUM_CLASSES, REPORT
from helpers import FunctionSegmentor

from mmseg_eff.deploy import quantize as module
from mmseg_eff.deploy import verify
from mmseg_eff.deploy.dataset_images import DatasetImage
from mmseg_eff.deploy.quantize import Int8Data, class_areas, mean_iou, quantize
from mmseg_eff.deploy.runtime import Segmenter
from mmseg_eff.deploy.verify import Agreement
from mmseg_eff.errors import InputError

FLOAT32 = dict(REPORT, backend='openvino-int8', model='model.xml')


def true_labels(pixels):
    return pixels[..., 0] % NUM_CLASSES


class Nncf(SimpleNamespace):
    """What NNCF is asked for; a model stays as it is."""

    QuantizationPreset = SimpleNamespace(MIXED='mixed')

    def __init__(self):
        super().__init__(calibrated=[], validated=[], scores=[])

    def Dataset(self, images, prepare):
        return SimpleNamespace(images=images, inputs=[prepare(image) for image in images])

    def AdvancedAccuracyRestorerParameters(self, ranking_subset_size):
        return ranking_subset_size

    def quantize(self, model, calibration, *, subset_size, preset):
        self.calibrated.append(calibration.images)
        assert subset_size == len(calibration.images)
        return model

    def quantize_with_accuracy_control(
        self, model, calibration, validation, score, *, max_drop, **_options
    ):
        self.calibrated.append(calibration.images)
        self.validated.append(validation.images)
        self.max_drop = max_drop
        self.scores.append(score(lambda inputs: [true_labels(inputs['image'])], validation.images))
        return model


@pytest.fixture
def nncf():
    return Nncf()


@pytest.fixture
def images(tmp_path):
    """Eight images, of which half are for calibration."""
    rng = np.random.default_rng(0)
    images = []
    for index in range(8):
        path = tmp_path / f'images/{index}.png'
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (20, 30, 3), np.uint8))

        def load(info):
            return dict(gt_seg_map=true_labels(cv2.imread(info['img_path'])))

        images.append(DatasetImage(dict(img_path=str(path), ignore_index=255), load))
    return images


@pytest.fixture
def run(tmp_path, images, nncf, monkeypatch):
    """``quantize`` where float32 labels all right, and int8 ``wrong`` pixels of an image not so.

    The times of both networks are given, for every time that they are taken.
    """

    def run(wrong=0, max_drop=0.5, times=((2.0, 1.0), (2.0, 1.0)), networks=None):
        def right_labels(inputs):
            return true_labels(inputs['image'])

        def faulty_labels(inputs):
            labels = true_labels(inputs['image']).copy()
            labels.reshape(-1)[:wrong] = (labels.reshape(-1)[:wrong] + 1) % NUM_CLASSES
            return labels

        float32, int8 = networks or (right_labels, faulty_labels)

        def load_network(folder, report, threads):
            assert (folder / report['model']).read_bytes() == b'network'
            return Segmenter(report, int8)

        def save(model, path):
            path.write_bytes(model)
            path.with_suffix('.bin').write_bytes(model)

        core = SimpleNamespace(read_model=lambda path: path.read_bytes())
        packages = dict(nncf=nncf, openvino=SimpleNamespace(Core=lambda: core))
        monkeypatch.setattr(module, 'deploy_package', packages.__getitem__)
        monkeypatch.setattr(module, 'save_openvino', save)
        monkeypatch.setattr(module, 'load_network', load_network)
        if times:
            taken = iter(times)
            monkeypatch.setattr(module, 'latencies', lambda *_runs: next(taken))
        folder = tmp_path / 'folder'
        folder.mkdir()
        for name in ('model.xml', 'model.bin', 'runtime.py'):
            (folder / name).write_bytes(b'network')
        data = Int8Data(images[:4], images[4:], max_drop)
        original = FunctionSegmentor(true_labels)
        paths = [image.path for image in images[4:6]]
        return (folder, *quantize(folder, Segmenter(FLOAT32, float32), original, paths, data))

    return run


def test_an_accurate_and_faster_network_replaces_float32(run, nncf, images):
    folder, int8, figures = run()
    assert figures.images == 4
    assert figures.miou == (100.0, 100.0)
    assert figures.network_ms == (2.0, 1.0)
    assert figures.agreement == Agreement(images=2, labels=1.0, worst_image=1.0)
    assert str(figures) == 'mIoU 100.00 -> 100.00, 2.0 -> 1.0 ms'
    assert int8.report == {**FLOAT32, 'model': 'int8.xml'}
    assert sorted(path.name for path in folder.iterdir()) == ['int8.bin', 'int8.xml', 'runtime.py']
    assert nncf.calibrated == [images[:4], images[:4]]
    assert nncf.validated == [images[4:]]
    assert nncf.max_drop == 0.5
    assert nncf.scores == [(100.0, [100.0] * 4)]


def test_what_int8_loses_is_measured_on_the_validation_images(run):
    """60 of 600 labels of each image are wrong, of the true class and of another."""
    _, _, figures = run(wrong=60, max_drop=30)
    before, after = figures.miou
    assert before == 100
    assert 75 < after < 90
    assert figures.agreement == Agreement(images=2, labels=0.9, worst_image=0.9)


def test_more_than_max_drop_is_refused_with_the_figures(run, tmp_path):
    message = r'^int8 loses more than 0\.5 mIoU: mIoU 100\.00 -> 8\d\.\d\d, 2\.0 -> 1\.0 ms$'
    with pytest.raises(InputError, match=message):
        run(wrong=60)
    assert (tmp_path / 'folder/model.xml').exists()


@pytest.mark.parametrize(('drop', 'is_refused'), [(0.5, False), (0.51, True), (-3.0, False)])
def test_max_drop_is_the_most_that_may_be_lost(drop, is_refused):
    figures = module.Int8Figures(4, (60.0, 60.0 - drop), (2.0, 1.0), Agreement(1, 1.0, 1.0))
    if is_refused:
        with pytest.raises(InputError, match=r'more than 0\.5 mIoU: mIoU 60\.00 -> 59\.49'):
            module.check_accuracy(figures, 0.5)
    else:
        module.check_accuracy(figures, 0.5)


@pytest.mark.parametrize('times', [(2.0, 2.0), (1.0, 2.0)])
def test_a_slower_network_is_refused_before_the_long_search(run, nncf, times):
    message = rf'^int8 is not faster than float32: {times[0]} -> {times[1]} ms for an image$'
    with pytest.raises(InputError, match=message):
        run(times=[times])
    assert nncf.calibrated and not nncf.validated


def test_a_network_that_became_slower_is_refused_with_its_accuracy(run):
    message = r'not faster than float32: mIoU 100\.00 -> 100\.00, 1\.0 -> 2\.0 ms for an image'
    with pytest.raises(InputError, match=message):
        run(times=[(2.0, 1.0), (1.0, 2.0)])


def fast_labels(inputs):
    return true_labels(inputs['image'])


def slow_labels(inputs):
    time.sleep(0.02)
    return true_labels(inputs['image'])


def test_times_are_those_of_both_networks(run, monkeypatch):
    monkeypatch.setattr(verify, 'TIMED_RUNS', 1)
    _, _, figures = run(times=None, networks=(slow_labels, fast_labels))
    assert figures.network_ms[0] >= 20  # and int8 takes less, or it would be refused


def test_a_slow_int8_network_is_refused(run, monkeypatch):
    monkeypatch.setattr(verify, 'TIMED_RUNS', 1)
    with pytest.raises(InputError, match='int8 is not faster than float32'):
        run(times=None, networks=(fast_labels, slow_labels))


def test_accuracy_is_that_on_all_validation_images(run, images):
    """All labels of the last of four images are wrong: a quarter of the pixels of each class."""
    last = true_labels(cv2.imread(str(images[-1].path)))

    def fail_on_the_last(inputs):
        labels = true_labels(inputs['image'])
        return (labels + 1) % NUM_CLASSES if np.array_equal(labels[0], last) else labels

    _, _, figures = run(networks=(fast_labels, fail_on_the_last), max_drop=50)
    assert figures.miou[0] == 100
    assert 58 < figures.miou[1] < 62  # 3/4 right of 5/4, one of four counted twice


def test_mean_iou_of_several_images():
    rng = np.random.default_rng(0)
    predicted, true = rng.integers(0, 4, (2, 3, 20, 30)).astype(np.uint8)
    true[:, :5] = 255
    true[true == 3] = 2  # class 3 occurs in the predictions alone
    areas = [class_areas(*pair, 5) for pair in zip(predicted, true, strict=True)]
    known = true != 255
    ious = []
    for label in range(4):  # class 4 does not occur
        a, b = (predicted == label) & known, true == label
        ious.append((a & b).sum() / (a | b).sum())
    assert mean_iou(areas) == pytest.approx(100 * np.mean(ious))


def test_mean_iou_of_nothing_known():
    void = np.full((4, 4), 255, np.uint8)
    assert mean_iou([class_areas(np.zeros((4, 4), np.uint8), void, 3)]) == 0
