"""The judge of lower precisions, with functions in the place of networks."""

import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from exported import NUM_CLASSES, REPORT
from helpers import FunctionSegmentor

from mmseg_eff.deploy import precision as module
from mmseg_eff.deploy import verify
from mmseg_eff.deploy.dataset_images import DatasetImage
from mmseg_eff.deploy.precision import (
    PrecisionFigures,
    Reduction,
    reduce_precision,
)
from mmseg_eff.deploy.runtime import Segmenter
from mmseg_eff.deploy.verify import Agreement
from mmseg_eff.errors import InputError

FLOAT32 = dict(REPORT, backend='phone', model='model.net')
GRAPH = 'the graph'
FILES = ('model.net', 'model.weights')


def true_labels(pixels):
    return pixels[..., 0] % NUM_CLASSES


def right(inputs):
    return true_labels(inputs['image'])


def right_later(inputs):
    time.sleep(0.02)
    return right(inputs)


def faulty(count):
    """A network that labels the first ``count`` pixels of an image as others."""

    def network(inputs):
        labels = right(inputs).copy()
        labels.reshape(-1)[:count] = (labels.reshape(-1)[:count] + 1) % NUM_CLASSES
        return labels

    return network


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
def run(tmp_path, images, monkeypatch):
    """``reduce_precision`` to networks that are given in the order in which they are made.

    The times of both networks are given, for every time that they are taken; or measured.
    """

    def run(*networks, precision='int8', max_drop=0.5, times=(2.0, 1.0), float32=right):
        made, asked = [], SimpleNamespace(calls=[], scores=[])

        def write(graph, folder, report, precision, calibration):
            asked.calls.append((graph, report, precision, [len(x) for x in calibration]))
            made.append(networks[len(made)])
            if precision == 'bf16':
                return dict(inference_precision='bf16')
            for name in FILES:
                (folder / name.replace('model', precision)).write_bytes(b'lower')
            return dict(model=f'{precision}.net')

        def write_accurately(*given):
            *given, validation = given
            asked.scores.append(validation.score(right, [0, 2]))
            assert [x['image'].shape for x in validation.inputs] == [(1, 20, 30, 3)] * 4
            assert validation.max_drop == max_drop
            return write(*given)

        def load_network(folder, report, threads):
            assert (folder / report['model']).exists()
            assert threads == 3
            return Segmenter(report, made[-1])

        backend = SimpleNamespace(FILES=FILES, reduce=write)
        if len(networks) > 1:
            backend.reduce_accurately = write_accurately
        monkeypatch.setattr(module, 'find_backend', dict(phone=backend).__getitem__)
        monkeypatch.setattr(module, 'load_network', load_network)
        if times:
            monkeypatch.setattr(module, 'latencies', lambda *_runs: times)
        else:
            monkeypatch.setattr(verify, 'TIMED_RUNS', 1)
        folder = tmp_path / 'folder'
        folder.mkdir()
        for name in (*FILES, 'runtime.py'):
            (folder / name).write_bytes(b'network')
        result = reduce_precision(
            folder,
            GRAPH,
            Segmenter(FLOAT32, float32),
            FunctionSegmentor(true_labels),
            [image.path for image in images[4:6]],
            Reduction(precision, images[:4], images[4:], max_drop),
            threads=3,
        )
        return (folder, *result, asked)

    return run


def test_an_accurate_and_faster_network_replaces_float32(run):
    folder, network, figures, asked = run(right)
    assert sorted(path.name for path in folder.iterdir()) == [
        'int8.net',
        'int8.weights',
        'runtime.py',
    ]
    files = network.report.pop('files')
    assert {'int8.net', 'int8.weights'} < files.keys()
    assert network.report == dict(FLOAT32, model='int8.net', precision='int8')
    assert asked.calls == [(GRAPH, FLOAT32, 'int8', [1] * 4)]
    assert figures.images == 4
    assert figures.miou == (100.0, 100.0)
    assert figures.network_ms == (2.0, 1.0)
    assert figures.agreement == Agreement(images=2, labels=1.0, worst_image=1.0)
    assert str(figures) == 'mIoU 100.00 -> 100.00, 2.0 -> 1.0 ms'


def test_a_precision_that_is_asked_of_the_engine_keeps_the_files(run):
    folder, network, _, _ = run(right, precision='bf16')
    assert sorted(path.name for path in folder.iterdir()) == [*FILES, 'runtime.py']
    assert network.report.pop('files').keys() == {*FILES, 'runtime.py'}
    assert network.report == dict(FLOAT32, precision='bf16', inference_precision='bf16')


def test_the_loss_is_measured_on_the_validation_images(run):
    """60 of 600 labels of each image are wrong, of the true class and of another."""
    _, _, figures, _ = run(faulty(60), max_drop=30)
    assert figures.miou[0] == 100
    assert 75 < figures.miou[1] < 90
    assert figures.agreement == Agreement(images=2, labels=0.9, worst_image=0.9)


def test_float32_is_measured_as_well(run):
    _, _, figures, _ = run(faulty(60), float32=faulty(60))
    assert figures.miou[0] == figures.miou[1] < 90


def test_more_than_max_drop_is_refused_with_both_figures(run, tmp_path):
    message = (
        r'^int8 loses more than 0\.5 mIoU: mIoU 100\.00 -> 8\d\.\d\d, 2\.0 -> 1\.0 ms; '
        'nothing was written$'
    )
    with pytest.raises(InputError, match=message):
        run(faulty(60))
    assert (tmp_path / 'folder/model.net').exists()


@pytest.mark.parametrize('times', [(2.0, 2.0), (1.0, 2.0), (2.0, 1.95)])
def test_a_network_that_is_not_faster_is_refused_with_both_figures(run, times):
    message = (
        rf'^f16 is not faster than f32: mIoU 100\.00 -> 100\.00, {times[0]:.1f} -> {times[1]:.1f} '
        'ms; nothing was written$'
    )
    with pytest.raises(InputError, match=message):
        run(right, precision='f16', times=times)


def test_a_second_attempt_when_the_first_loses_too_much(run):
    _, _, figures, asked = run(faulty(60), right)
    assert [call[2] for call in asked.calls] == ['int8', 'int8']
    assert asked.scores == [(100.0, [100.0, 100.0])]
    assert figures.miou == (100.0, 100.0)


def test_an_inaccurate_second_attempt_is_refused(run):
    with pytest.raises(InputError, match=r'^int8 loses more than 0\.5 mIoU'):
        run(faulty(60), faulty(30))


def test_no_second_attempt_for_a_network_that_would_be_no_faster(run):
    with pytest.raises(InputError, match='loses more'):
        run(faulty(60), pytest.fail, times=(1.0, 2.0))


def test_no_second_attempt_for_an_accurate_network(run):
    _, _, _, asked = run(right, pytest.fail)
    assert len(asked.calls) == 1


def test_times_are_those_of_both_networks(run):
    _, _, figures, _ = run(right, times=None, float32=right_later)
    assert figures.network_ms[0] >= 20 > figures.network_ms[1]


def test_a_slow_network_is_refused(run):
    with pytest.raises(InputError, match='int8 is not faster than f32'):
        run(right_later, times=None)


def test_accuracy_is_that_on_all_validation_images(run, images):
    """All labels of the last of four images are wrong: a quarter of the pixels of each class."""
    last = true_labels(cv2.imread(str(images[-1].path)))

    def fail_on_the_last(inputs):
        labels = right(inputs)
        return (labels + 1) % NUM_CLASSES if np.array_equal(labels[0], last) else labels

    _, _, figures, _ = run(fail_on_the_last, max_drop=50)
    assert figures.miou[0] == 100
    assert 58 < figures.miou[1] < 62  # 3/4 right of 5/4, one of four counted twice


@pytest.mark.parametrize(('drop', 'is_accurate'), [(0.5, True), (0.51, False), (-3.0, True)])
def test_max_drop_is_the_most_that_may_be_lost(drop, is_accurate):
    figures = PrecisionFigures(4, (60.0, 60.0 - drop), (2.0, 1.0), Agreement(1, 1.0, 1.0))
    assert figures.is_accurate(0.5) == is_accurate
