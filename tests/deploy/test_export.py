"""What an export measures, refuses and reports, with functions in the place of networks."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from exported import NUM_CLASSES, REPORT
from helpers import FunctionSegmentor

from mmseg_eff.deploy import PrecisionFigures, Reduction, export_to_folder, verify
from mmseg_eff.deploy import export as module
from mmseg_eff.deploy.runtime import Segmenter
from mmseg_eff.deploy.verify import Agreement
from mmseg_eff.errors import InputError
from mmseg_eff.utils.atomic_io import sha256_of

SIZE = (100, 200)
INT8 = Reduction('int8', [], [], 0.5)
AGREEMENT = Agreement(images=2, labels=0.9, worst_image=0.8)


def labels_of(pixels):
    return pixels[..., 0] % NUM_CLASSES


@pytest.fixture
def export(tmp_path, monkeypatch):
    """``export_to_folder`` of a function of the inputs, with two images and a checkpoint."""
    graphs = []
    paths = [tmp_path / 'a.png', tmp_path / 'b.png']
    for path in paths:
        cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8))
    checkpoint, folder = tmp_path / 'weights.pth', tmp_path / 'folder'
    checkpoint.write_bytes(b'weights')
    folder.mkdir()

    def fill_folder(model, graph, backend, folder, *, loading):
        (folder / 'model.onnx').write_bytes(b'network')
        changed = dict(batch=graph.batch, output=graph.result, weights=graph.origin['weights'])
        return dict(REPORT, backend=backend, loading=loading, files={}, **changed)

    def export(network=lambda inputs: labels_of(inputs['image']), **options):
        def make_graph(model, **arguments):
            graphs.append(SimpleNamespace(**arguments))
            return graphs[-1]

        def load_network(folder, facts, threads):
            return Segmenter(facts, network)

        monkeypatch.setattr(module, 'SegmentationGraph', make_graph)
        monkeypatch.setattr(module, 'fill_folder', fill_folder)
        monkeypatch.setattr(module, 'load_network', load_network)
        monkeypatch.setattr(verify, 'TIMED_RUNS', 1)
        original = made.original
        return export_to_folder(folder, None, original, paths, checkpoint=checkpoint, **options)

    made = SimpleNamespace(run=export, folder=folder, graphs=graphs, checkpoint=checkpoint)
    made.original = FunctionSegmentor(labels_of)
    return made


def test_the_report_is_written_once_and_returned(export, monkeypatch):
    written = []

    def write_report(folder, report):
        written.append(report)
        return before(folder, report)

    before = module.write_report
    monkeypatch.setattr(module, 'write_report', write_report)
    report = export.run(backend='tensorrt')
    assert len(written) == 1
    assert {path.name for path in export.folder.iterdir()} == {'model.onnx', 'report.json'}
    assert report == json.loads((export.folder / 'report.json').read_text())
    assert report.keys() == {*REPORT, 'agreement', 'latency_ms', 'versions', 'files'}
    assert report['backend'] == 'tensorrt'
    assert report['agreement'] == dict(images=2, labels=1, worst_image=1)
    assert report['latency_ms'].keys() == {'original', 'export'}
    assert min(report['latency_ms'].values()) > 0
    assert report['versions'].keys() >= {'mmseg_eff', 'torch'}
    (graph,) = export.graphs
    assert graph.origin['checkpoint_sha256'] == sha256_of(export.checkpoint)
    assert report['files'].keys() == {'model.onnx'}


def test_one_label_of_an_image_may_differ_and_is_reported(export):
    images = []

    def change_one(inputs):
        images.append(labels_of(inputs['image']).copy())
        images[-1][:, 0, 0] += len(images) == 1  # of the first image
        return images[-1]

    report = export.run(change_one)
    assert report['agreement'] == dict(images=2, labels=39_999 / 40_000, worst_image=0.99995)


def test_other_labels_are_refused_without_a_report(export):
    def roll(inputs):
        labels = labels_of(inputs['image']).copy()
        labels[:, 0] += 1
        return labels

    message = r'^onnx: 99\.0000% of the labels are those of the original, 99\.99% must be; nothing'
    with pytest.raises(InputError, match=message):
        export.run(roll)
    assert not (export.folder / 'report.json').exists()


@pytest.mark.parametrize(
    ('options', 'size'),
    [({}, SIZE), (dict(size=(32, 64)), (32, 64)), (dict(any_size=True), None)],
)
def test_the_size_of_all_images(export, options, size):
    export.run(inside=('labels',), **options)
    (graph,) = export.graphs
    assert graph.size == size
    assert graph.inside == ('labels',)
    assert graph.image.shape == (*SIZE, 3)


@pytest.mark.parametrize(('batch', 'together'), [(1, [1, 1]), (5, [5]), (None, [2])])
def test_images_of_a_batch_are_compared_together(export, monkeypatch, batch, together):
    given = []

    def run(inputs):
        given.append(len(inputs['image']))
        return labels_of(inputs['image'])

    monkeypatch.setattr(module, 'latencies', lambda _original, _export: (9.0, 5.0))
    report = export.run(run, batch=batch, weights=dict(name='a', licence='MIT', dataset=None))
    assert given == together
    assert report['batch'] == batch and report['weights']['licence'] == 'MIT'
    assert report['latency_ms'] == dict(original=9, export=1 if batch == 5 else 5)


def scores_of(pixels):
    """One-hot probabilities of the labels."""
    labels = labels_of(pixels)[:, None] == np.arange(NUM_CLASSES)[:, None, None]
    return labels.astype(np.float32)


@pytest.mark.parametrize('error', [0, 0.0005, 0.01])
def test_scores_are_compared_too(export, monkeypatch, error):
    original = FunctionSegmentor(labels_of)
    original.scores = lambda image, kind: scores_of(image['img'][None])[0]
    monkeypatch.setattr(export, 'original', original)

    def run(inputs):
        scores = scores_of(inputs['image'])
        scores[:, 0] += error
        return scores

    if error > 0.001:
        with pytest.raises(InputError, match=r'^onnx: scores differ by 0\.01 of their range'):
            export.run(run, output='probabilities')
        assert not (export.folder / 'report.json').exists()
        return
    report = export.run(run, output='probabilities')
    assert report['output'] == 'probabilities' and report['agreement']['labels'] == 1
    assert report['score_difference'] == pytest.approx(error)


def test_a_lower_precision_takes_the_place_of_float32(export, monkeypatch):
    figures = PrecisionFigures(
        images=5, miou=(60.0, 59.8), network_ms=(2.0, 1.0), agreement=AGREEMENT
    )
    calls = []

    def reduce_precision(folder, graph, float32, original, images, reduction, threads):
        assert graph.size == SIZE
        calls.append((folder, float32.report['backend'], len(images), reduction, threads))
        report = {**float32.report, 'model': 'int8.xml', 'precision': 'int8'}
        return Segmenter(
            report, lambda inputs: calls.append('int8') or labels_of(inputs['image'])
        ), figures

    monkeypatch.setattr(module, 'reduce_precision', reduce_precision)
    report = export.run(backend='openvino', reduction=INT8, threads=3)
    assert calls[0] == (export.folder, 'openvino', 2, INT8, 3)
    assert calls[1:] == ['int8', 'int8']  # timed, after a warm-up
    assert (report['model'], report['precision']) == ('int8.xml', 'int8')
    assert report['agreement']['labels'] == 1  # of float32
    assert report['precision_figures'] == dict(
        images=5,
        miou=[60.0, 59.8],
        network_ms=[2.0, 1.0],
        agreement=dict(images=2, labels=0.9, worst_image=0.8),
    )


def test_float32_is_compared_before_its_precision_is_lowered(export, monkeypatch):
    monkeypatch.setattr(module, 'reduce_precision', lambda *_args: pytest.fail('it began'))
    with pytest.raises(InputError, match=r'openvino: .*% of the labels are those'):
        export.run(
            lambda inputs: labels_of(inputs['image'] + 1), backend='openvino', reduction=INT8
        )
