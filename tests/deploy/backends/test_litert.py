"""LiteRT: what needs its packages runs in ``make test-mobile``, the rest with stand-ins."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from exported import run_alone
from helpers import build_segmentor
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import mmseg_eff
from mmseg_eff.config.load import load_config
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.deploy import SegmentationGraph
from mmseg_eff.deploy.backends import litert
from mmseg_eff.errors import InputError

CONFIG = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
SMALL = {'model.backbone.num_blocks': (1, 1)}
SIZE = (64, 128)
NUM_THREADS = 4
RUN_ALONE = """
import sys
import cv2
from runtime import load_runtime
segmenter = load_runtime('.', threads=2)
cv2.imwrite(sys.argv[2], segmenter.segment(cv2.imread(sys.argv[1])))
print(len(segmenter.classes), *sorted({'torch', 'mmseg', 'mmseg_eff'} & set(sys.modules)))
"""


@pytest.fixture
def graph():
    head = dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=4)
    model = build_segmentor(dict(type='ESPNet', num_blocks=(1, 1)), head).eval()
    model.cfg = ConfigDict(test_pipeline=[])
    return SegmentationGraph(model, inside=litert.INSIDE, size=SIZE)


def make_scattered(graph):
    """The same weights in another order in memory."""
    for weight in graph.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.transpose(0, 1).contiguous().transpose(0, 1)


class Interpreter:
    """A stand-in for LiteRT's that doubles its input, and refuses two calls at once."""

    def __init__(self, path, num_threads):
        os.write(2, b'INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n')
        self.made.append(self)
        self.path, self.num_threads, self.value, self.is_busy = path, num_threads, None, False

    def allocate_tensors(self):
        pass

    def get_signature_runner(self):
        inputs, outputs = {'image': {'index': 3}}, {'labels': {'index': 7}}
        return SimpleNamespace(get_input_details=lambda: inputs, get_output_details=lambda: outputs)

    def set_tensor(self, index, value):
        assert index == 3 and not self.is_busy
        self.is_busy, self.value = True, value

    def invoke(self):
        if self.barrier:
            self.barrier.wait(timeout=30)
        self.value = 2 * self.value

    def get_tensor(self, index):
        assert index == 7
        self.is_busy = False
        return self.value


def load_stand_in(path, threads, barrier=None):
    made = []
    engine = SimpleNamespace(
        Interpreter=type('Interpreter', (Interpreter,), dict(made=made, barrier=barrier))
    )
    return litert.load(engine, path, threads, {}), made


@pytest.mark.parametrize(('threads', 'given'), [(0, None), (3, 3)])
def test_threads_are_handed_on_and_nothing_is_logged(tmp_path, capfd, threads, given):
    run, (interpreter,) = load_stand_in(tmp_path / 'model.tflite', threads)
    assert interpreter.num_threads == given
    assert interpreter.path == str(tmp_path / 'model.tflite')
    assert run({'image': 21}) == 42
    os.write(2, b'heard again\n')
    assert capfd.readouterr().err == 'heard again\n'


def test_each_of_several_threads_has_an_interpreter_of_its_own(tmp_path):
    run, made = load_stand_in(tmp_path, 1, Barrier(NUM_THREADS))
    numbers = list(range(3 * NUM_THREADS))
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        doubled = list(pool.map(lambda number: run({'image': number}), numbers))
    assert doubled == [2 * number for number in numbers]
    assert len(made) == NUM_THREADS


def test_the_converter_is_given_weights_in_the_usual_order(graph):
    make_scattered(graph)
    before = [weight.clone() for weight in graph.parameters()]
    assert not all(weight.is_contiguous() for weight in graph.parameters())
    litert.make_contiguous(graph)
    assert all(weight.is_contiguous() for weight in graph.parameters())
    assert all(map(torch.equal, before, graph.parameters()))


def test_what_cannot_be_converted_is_refused_in_one_line(graph, tmp_path, monkeypatch, capfd):
    def convert(network, sample_kwargs):
        os.write(2, b'a log')
        print('a line')
        assert [*sample_kwargs] == ['image'] and sample_kwargs['image'].shape == (1, *SIZE, 3)
        assert [*network(**sample_kwargs)] == ['labels']
        raise RuntimeError('No lowering for\n  aten.fft.default')

    converter = SimpleNamespace(convert=convert, config=SimpleNamespace(show_progress=True))
    monkeypatch.setitem(sys.modules, 'litert_torch', converter)
    with pytest.raises(InputError) as info:
        litert.convert(graph, tmp_path)
    assert str(info.value) == 'LiteRT cannot convert this network: No lowering for aten.fft.default'
    assert not converter.config.show_progress
    assert capfd.readouterr() == ('', '')


@pytest.fixture(scope='module')
def weights(toy_root, tmp_path_factory):
    """A small network's checkpoint; what follows needs LiteRT's packages."""
    for package in litert.NEEDS:
        pytest.importorskip(package, reason='needs the extra [litert]')
    init_default_scope('mmseg')
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_EFF_DATA', str(toy_root))
        model = MODELS.build(load_config(CONFIG, SMALL).model)
    path = tmp_path_factory.mktemp('weights') / 'weights.pth'
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), path)
    return path


@pytest.fixture(scope='module')
def exported(weights, toy_root, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_EFF_DATA', str(toy_root))
        return export(weights, tmp_path_factory.mktemp('exported') / 'out')


def export(weights, out):
    return mmseg_eff.export(CONFIG, weights, out, backend='litert', threads=1, options=SMALL)


def test_the_folder_gives_the_labels_of_torch_without_torch(exported, weights, data_root, tmp_path):
    assert exported.agreement.images == 2 and exported.agreement.labels >= 0.9999
    assert {'litert_torch', 'ai_edge_litert'} <= exported.report['versions'].keys()
    image = next((data_root / 'toystreet/images/val').iterdir())
    path = tmp_path / 'labels.png'
    assert run_alone(RUN_ALONE, image, path, cwd=exported.folder) == ['9']
    labels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    model = mmseg_eff.load_model(load_config(CONFIG, SMALL), weights, device='cpu')
    (prediction,) = mmseg_eff.predict(model, image)
    assert len(np.unique(prediction.labels)) > 1
    assert (labels == prediction.labels).mean() >= 0.9999


def test_the_file_names_its_input_and_its_output(exported):
    package = pytest.importorskip(litert.ENGINE, reason='needs the extra [litert]')
    network = package.Interpreter(str(exported.folder / litert.MODEL))
    names = network.get_signature_list()
    assert list(names.values()) == [dict(inputs=['image'], outputs=['labels'])]
    (facts,) = network.get_input_details()
    assert facts['dtype'] == np.uint8 and facts['shape'].tolist() == [1, *SIZE, 3]


def test_several_threads_get_the_labels_of_one(exported):
    segmenter = mmseg_eff.deploy.load_runtime(exported.folder, threads=1)
    images = np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), np.uint8)
    expected = [segmenter.segment(image) for image in images]
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        given = list(pool.map(segmenter.segment, images))
    assert len({labels.tobytes() for labels in expected}) == len(images)
    assert all(map(np.array_equal, given, expected))


def test_a_network_that_the_converter_misreads_is_refused(
    weights, data_root, tmp_path, monkeypatch
):
    """It takes weights in an unusual order for others, and says nothing."""
    monkeypatch.setattr(litert, 'make_contiguous', make_scattered)
    with pytest.raises(InputError, match=r'litert: .*% of the labels are those of the original'):
        export(weights, tmp_path / 'out')
    assert list(tmp_path.iterdir()) == []


def test_eight_bits_keep_most_labels(exported, tmp_path):
    (tmp_path / litert.MODEL).write_bytes((exported.folder / litert.MODEL).read_bytes())
    changed = litert.reduce(None, tmp_path, exported.report, 'int8', [])
    assert changed == dict(model='int8.tflite')
    small, whole = (tmp_path / name for name in ('int8.tflite', litert.MODEL))
    assert small.stat().st_size < 0.6 * whole.stat().st_size
    engine = pytest.importorskip(litert.ENGINE, reason='needs the extra [litert]')
    runs = [litert.load(engine, path, 1, {}) for path in (small, whole)]
    images = np.random.default_rng(0).integers(0, 256, (2, 1, *SIZE, 3), np.uint8)
    labels, expected = ([run({'image': image}) for image in images] for run in runs)
    assert len(np.unique(expected)) > 1
    assert 0.8 < np.mean(np.equal(labels, expected)) < 1


@pytest.mark.slow
def test_official_weights_on_real_images(shared, official_weights, tmp_path):
    for package in litert.NEEDS:
        pytest.importorskip(package, reason='needs the extra [litert]')
    images = sorted((shared / 'data/camvid/val').iterdir())[::10]
    result = mmseg_eff.export(
        'mmseg_eff::espnet/espnet-p2q8_1xb8-69k_camvid-360x480.py',
        'hub:espnet-p2q8_camvid',
        tmp_path / 'out',
        backend='litert',
        images=images,
        threads=1,
    )
    assert result.agreement.images == len(images) > 5
    assert result.agreement.labels >= 0.9999
