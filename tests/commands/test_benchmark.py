import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers import read_image
from mmengine.config import Config
from watch import watch

from mmseg_eff.benchmarking.report import HEADER, STAGES, Figures, cells
from mmseg_eff.benchmarking.run import PEERS, known_miou, make_images
from mmseg_eff.benchmarking.stages import Candidate, load_candidate, run_once
from mmseg_eff.benchmarking.timing import take_turns
from mmseg_eff.commands import benchmark as module
from mmseg_eff.commands.benchmark import main
from mmseg_eff.config.load import load_config
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.deploy import segmentor as inference
from mmseg_eff.errors import InputError
from mmseg_eff.inference.segmentor import segment_image

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
TINY = ['--cfg-options', 'model.backbone.num_blocks=(1,1)']
OPTIONS = {'model.backbone.num_blocks': (1, 1)}
RESIZE = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(96, 64)),
    dict(type='PackSegInputs'),
]
ARGV = [LEAF, '--size', '32', '64', '--threads', '1', '--repeats', '2', *TINY]


@pytest.fixture
def memory(monkeypatch):
    """Stands in for the process that measures memory; what it was asked."""
    asked = []

    def peak_memory(*args):
        asked.append(args)
        return 123.4

    monkeypatch.setattr('mmseg_eff.benchmarking.run.peak_memory', peak_memory)
    return asked


def test_turns_without_the_warm_up(capsys):
    order = []

    def call(name):
        order.append(name)
        return len(order)

    results = take_turns({'a': lambda: call('a'), 'b': lambda: call('b')}, repeats=3, threads=1)
    assert order == ['a', 'b'] * 4
    assert results == {'a': [3, 5, 7], 'b': [4, 6, 8]}
    assert capsys.readouterr().out.startswith('1 threads, 3 repeats, load average ')


def test_figures_of_the_runs():
    laps = [{stage: 1e-3 * (run + i) for i, stage in enumerate(STAGES)} for run in range(1, 22)]
    figures = Figures('net', (32, 64), 1_234_567, 9_876_543_210, 99.6, None, laps)
    times = figures.milliseconds()
    for i, stage in enumerate(STAGES):  # 21 runs of 1 to 21 ms, and i more
        assert times[stage] == pytest.approx([11 + i, 20 + i])
    assert times['all'] == pytest.approx([5 * 11 + 10, 5 * 20 + 10])
    row = dict(zip(HEADER, cells(figures), strict=True))
    assert row['parameters M'] == '1.235' and row['MACs G'] == '9.88' and row['mIoU'] == '–'
    assert row['input'] == '32x64' and row['memory MB'] == '100'
    assert row['decode'] == '11.0 / 20.0' and row['all'] == '65.0 / 110.0'


@pytest.mark.parametrize(('keep_size', 'shape'), [(False, (64, 96)), (True, (40, 72))])
def test_stages_of_a_config(tmp_path, make_image, keep_size, shape):
    image = make_image(tmp_path / 'a.png', 40, 72)
    options = {**OPTIONS, 'test_pipeline': RESIZE}
    segmentor, clock = load_candidate(Candidate('net', LEAF, None, options), 1, keep_size)
    laps = run_once(segmentor, clock, image, tmp_path / 'labels.png')
    assert tuple(laps) == STAGES and min(laps.values()) > 0
    assert clock.input_shape == shape
    labels = cv2.imread(str(tmp_path / 'labels.png'), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (40, 72)
    assert np.array_equal(labels, segment_image(segmentor.model, read_image(image)))


def test_stages_of_an_exported_folder(tmp_path, make_image, monkeypatch):
    class Runtime:
        report, palette = {}, ()

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
    assert threads == [3] and clock.input_shape is None
    assert tuple(laps) == STAGES and min(laps.values()) > 0
    labels = cv2.imread(str(tmp_path / 'labels.png'), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(labels, read_image(image)[..., 0] // 64)


def test_weights_of_a_checkpoint(tmp_path, make_image):
    image = ImageReader().read(make_image(tmp_path / 'a.png', 32, 64))

    def load(checkpoint):
        return load_candidate(Candidate('net', LEAF, checkpoint, OPTIONS), 1, True)

    first, clock = load(None)
    clock.start()
    expected = first.segment(image)
    path = tmp_path / 'weights.pth'
    save_checkpoint(dict(state_dict=first.model.state_dict(), meta={}), path)
    for checkpoint, is_equal in ((str(path), True), (None, False)):
        segmentor, clock = load(checkpoint)
        clock.start()
        assert np.array_equal(segmentor.segment(image), expected) == is_equal


def test_images(tmp_path, make_image):
    file = str(make_image(tmp_path / 'a.png', 30, 50))
    assert make_images([file], None, tmp_path / 'b') == [tmp_path / 'a.png']
    (resized,) = make_images([file], (20, 40), tmp_path / 'b')
    expected = cv2.resize(read_image(tmp_path / 'a.png'), (40, 20))
    assert np.array_equal(read_image(resized), expected)
    (drawn,) = make_images([], (64, 96), tmp_path / 'c')
    assert read_image(drawn).shape == (64, 96, 3)


@pytest.mark.parametrize('name', PEERS)
def test_published_miou_of_peers(name):
    config = load_config(f'mmseg::{PEERS[name]}')
    assert 70 < known_miou(config) < 80


def test_unknown_miou(tmp_path):
    path = tmp_path / 'a.py'
    path.write_text('x = 1')
    assert known_miou(Config.fromfile(path)) is None
    metafile = 'Models:\n- Name: {}\n  Results:\n  - Metrics: {}\n'
    (tmp_path / 'metafile.yaml').write_text(metafile.format('b', '{mIoU: 50.0}'))
    assert known_miou(Config.fromfile(path)) is None
    (tmp_path / 'metafile.yaml').write_text(metafile.format('a', '{mIoU: 50.0}'))
    assert known_miou(Config.fromfile(path)) == 50.0
    (tmp_path / 'metafile.yaml').write_text(metafile.format('a', '{}'))
    assert known_miou(Config.fromfile(path)) is None


@pytest.mark.parametrize(
    'text',
    [
        '!!python/object/apply:os.system ["touch ran"]',
        'Models: !!python/object/apply:builtins.open ["ran", "w"]',
        'Models: !!python/name:os.system',
        'Models: 1',
        'Models: [1]',
        'Models: [{Name: a}]',
        'Models: [{Name: a, Results: [{Metrics: {mIoU: [1]}}]}]',
        '- a',
        '[' * 9999,
        'Models: ["\0"]',
        'a: ' + 'b' * 200_000,
    ],
)
def test_a_metafile_is_data(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path('a.py').write_text('x = 1')
    Path('metafile.yaml').write_text(text)
    config = Config.fromfile('a.py')
    with watch() as seen, pytest.raises(InputError, match=r'metafile\.yaml: expected Models with'):
        known_miou(config)
    assert seen == [] and not Path('ran').exists()


def test_table_json_and_picture(tmp_path, memory, capsys):
    name = LEAF.rpartition('/')[2].removesuffix('.py')
    outputs = ['--json', str(tmp_path / 'a.json'), '--plot', str(tmp_path / 'a.png')]
    assert main([*ARGV, '--markdown', '--miou', f'{name}=61.5', *outputs]) == 0
    *_, head, rule, row = capsys.readouterr().out.splitlines()
    assert head == f'| {" | ".join(HEADER)} |' and rule.count('|') == head.count('|')
    report = json.loads((tmp_path / 'a.json').read_text())
    assert report['threads'] == 1
    (network,) = report['networks']
    assert [tuple(lap) for lap in network['laps']] == [STAGES] * 2
    assert (network['name'], network['miou'], network['memory']) == (name, 61.5, 123.4)
    assert network['input_shape'] == [32, 64] and 0 < network['parameters'] < network['macs']
    assert row.split(' | ')[2:5] == [
        f'{network["parameters"] / 1e6:.3f}',
        f'{network["macs"] / 1e9:.2f}',
        '123',
    ]
    assert len(np.unique(read_image(tmp_path / 'a.png').reshape(-1, 3), axis=0)) > 10
    ((candidate, _, threads, keep_size),) = memory
    assert (candidate.name, threads, keep_size) == (name, 1, True)


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['none.py'], 'none.py: no such config file'),
        ([LEAF, '--size', '0', '8'], 'size must be two whole numbers'),
        ([LEAF, '--repeats', '0'], '--repeats must be 1 or more, got 0'),
        ([LEAF, '--threads', '-1'], '--threads must be 1 or more, got -1'),
        ([LEAF, LEAF], 'two of the networks have the same name'),
        ([LEAF, '--checkpoints', 'a', 'b'], '--checkpoints needs one for each of the 1 configs'),
        ([LEAF, '--miou', 'half'], "--miou takes name=value, got 'half'"),
        ([LEAF, '--miou', 'other=50'], "--miou: no network 'other'; there are espnet-p2q3"),
        ([LEAF, '--image', 'none.png'], 'none.png: no such image file'),
        ([*ARGV, '--plot', 'a.png'], '--plot needs the --miou of one network at least'),
    ],
)
def test_wrong_input_is_one_line(memory, capsys, argv, message):
    assert main(argv) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {message}') and error.count('\n') == 1


def test_safe_config_is_kept(memory, tmp_path, capsys):
    path = tmp_path / 'config.py'
    path.write_text(f"_base_ = '{LEAF}'\nimport os\n")
    argv = [str(path), *ARGV[1:]]
    assert main(argv) == 0
    assert main([*argv, '--safe-config']) == 1
    assert str(path) in capsys.readouterr().err


@pytest.mark.slow
def test_peers_and_memory(tmp_path):
    path = tmp_path / 'a.json'
    assert main([*ARGV, '--peers', '--json', str(path)]) == 0
    _, *peers = (SimpleNamespace(**n) for n in json.loads(path.read_text())['networks'])
    assert [peer.name for peer in peers] == list(PEERS)
    for peer in peers:
        assert peer.input_shape == [32, 64] and peer.miou > 70
        assert peer.memory > peer.parameters * 4 / 1e6  # its weights at least


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--plot', 'a.png'], '--plot needs the --miou of one network at least'),
        (['--plot', 'folder', '--miou', 'NAME=50'], 'folder: cannot be written'),
        (['--json', 'file/a.json'], 'file/a.json: cannot be written'),
    ],
)
def test_outputs_are_checked_before_measuring(tmp_path, monkeypatch, capsys, argv, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file').write_text('x')
    monkeypatch.setattr(module, 'benchmark', None)  # would be called to measure
    name = LEAF.rpartition('/')[2].removesuffix('.py')
    assert main([*ARGV, *(item.replace('NAME', name) for item in argv)]) == 1
    assert capsys.readouterr().err == f'error: {message}\n'


@pytest.mark.parametrize('value', ['nan', 'inf', 'x'])
def test_miou_is_finite(capsys, value):
    name = LEAF.rpartition('/')[2].removesuffix('.py')
    assert main([*ARGV, '--miou', f'{name}={value}']) == 1
    assert capsys.readouterr().err == f"error: --miou takes name=value, got '{name}={value}'\n"
