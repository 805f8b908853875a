import errno
import json
import shutil
import subprocess
import sys
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from helpers import parsed, read_image
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_eff import compat, deploy
from mmseg_eff.commands import export as module
from mmseg_eff.commands.export import main
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.inference.segmentor import load_segmentor, segment_image

onnx = pytest.importorskip('onnx', reason='needs the extra [deploy]')
pytest.importorskip('onnxscript', reason='needs the extra [deploy]')
pytest.importorskip('onnxruntime', reason='needs the extra [deploy]')

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
SMALL = ['--cfg-options', 'model.backbone.num_blocks=(1,1)']
CONVOLUTIONS = ('Conv', 'ConvTranspose')
RUN_ALONE = """
import sys
import cv2
from runtime import load_runtime
segmenter = load_runtime('.', threads=1)
cv2.imwrite(sys.argv[2], segmenter.segment(cv2.imread(sys.argv[1])))
assert not {'torch', 'mmseg', 'mmengine', 'mmseg_eff'} & set(sys.modules)
assert len(segmenter.classes) == len(segmenter.palette) == 9
"""


@pytest.fixture(scope='module')
def config():
    init_default_scope('mmseg')
    config = Config.fromfile(compat.PACKAGE_ROOT / '.mim/configs' / LEAF.partition('::')[2])
    config.merge_from_dict({'model.backbone.num_blocks': (1, 1)})
    return config


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory, config):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'weights.pth'
    save_checkpoint(dict(state_dict=MODELS.build(config.model).state_dict(), meta={}), path)
    return path


@pytest.fixture(scope='module')
def exported(tmp_path_factory, config, checkpoint):
    """A folder for images of 64x128, from an earlier, unchecked export."""
    folder = tmp_path_factory.mktemp('exported')
    model = load_segmentor(config, checkpoint, 'cpu')
    deploy.fill_folder(model, deploy.SegmentationGraph(model, size=(64, 128)), 'onnx', folder)
    return folder


@pytest.fixture
def run(data_root, checkpoint, exported, monkeypatch):
    """``main`` on the tiny data set, which takes the folder exported instead of exporting."""
    report = json.loads((exported / 'report.json').read_text())

    def copy(source, model, graph, backend, folder, loading):
        shutil.copytree(source, folder, dirs_exist_ok=True)
        return dict(report)

    def run(out, *options, source=exported):
        monkeypatch.setattr(deploy, 'fill_folder', partial(copy, source))
        monkeypatch.setattr('mmseg_eff.deploy.verify.TIMED_RUNS', 1)
        argv = [LEAF, str(checkpoint), '--out', str(out), '--num-images', '2', *SMALL]
        return main([*argv, '--threads', '1', *options])

    return run


@pytest.fixture
def broken(exported, tmp_path):
    """The exported folder with the outputs of the last convolution in another order."""
    folder = shutil.copytree(exported, tmp_path / 'broken')
    network = onnx.load(folder / 'model.onnx')
    *_, last = (node for node in network.graph.node if node.op_type in CONVOLUTIONS)
    (tensor,) = (x for x in network.graph.initializer if x.name == last.input[1])
    weight = onnx.numpy_helper.to_array(tensor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.roll(weight, 1, axis=0), tensor.name))
    onnx.save(network, folder / 'model.onnx')
    deploy.write_report(folder, json.loads((folder / 'report.json').read_text()))
    return folder


def test_report_and_runtime(run, tmp_path, data_root, config, checkpoint, capsys):
    out = tmp_path / 'out'
    assert run(out) == 0
    assert '100.0000% of the labels on 2 images are equal' in capsys.readouterr().out
    report = json.loads((out / 'report.json').read_text())
    assert report['agreement'] == dict(images=2, labels=1, worst_image=1)
    assert report['size'] == [64, 128]
    assert set(report['files']) == {'model.onnx', 'runtime.py', 'runtime_checks.py'}
    assert report['files']['model.onnx']['bytes'] == (out / 'model.onnx').stat().st_size
    assert min(report['latency_ms'].values()) > 0
    assert report['versions']['onnx'] == onnx.__version__

    image = next((data_root / 'toystreet/images/val').iterdir())
    label = tmp_path / 'label.png'
    command = [sys.executable, '-c', RUN_ALONE, str(image), str(label)]
    subprocess.run(command, cwd=out, check=True)
    expected = segment_image(load_segmentor(config, checkpoint, 'cpu'), read_image(image))
    assert np.array_equal(cv2.imread(str(label), cv2.IMREAD_UNCHANGED), expected)


def test_broken_export_is_refused(run, tmp_path, broken, capsys):
    out = tmp_path / 'new/out'
    assert run(out, source=broken) == 1
    assert 'of the labels are those of the original, 99.99% must be' in capsys.readouterr().err
    assert list(out.parent.iterdir()) == []


def test_earlier_export_stays_when_the_new_one_is_broken(run, tmp_path, exported, broken):
    out = shutil.copytree(exported, tmp_path / 'new/out')
    before = (out / 'model.onnx').read_bytes()
    assert run(out, source=broken) == 1
    assert (out / 'model.onnx').read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == ['out']
    assert run(out) == 0
    assert 'agreement' in json.loads((out / 'report.json').read_text())


def test_other_folders_are_refused_before_the_work(run, tmp_path, capsys, monkeypatch):
    (tmp_path / 'notes.txt').write_text('mine')
    monkeypatch.setattr(module, 'read_config_of', lambda _args: pytest.fail('the work began'))
    assert run(tmp_path) == 1
    assert 'notes.txt: would be deleted, and is no earlier export' in capsys.readouterr().err
    assert (tmp_path / 'notes.txt').read_text() == 'mine'


def test_a_full_disk_is_one_line_and_leaves_the_earlier_export(run, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'place/out'
    assert run(out) == 0
    before = (out / 'report.json').read_bytes()
    capsys.readouterr()

    def write_report(*_args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(deploy, 'write_report', write_report)
    assert run(out) == 1
    line = capsys.readouterr().err
    assert line.startswith(f'error: {out}: cannot be written (No space left on device)')
    assert (out / 'report.json').read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--num-images', '0'], '--num-images must be 1 or more, got 0'),
        (['--size', '0', '8'], 'size must be two whole numbers'),
        (['--size', '32', '32'], 'exported for [32, 32], got (64, 128)'),
        (['--images', 'none.png'], 'none.png: no such file or folder'),
        (['--inside', 'resize', 'normalise'], 'the test pipeline has none'),
    ],
)
def test_wrong_options(run, tmp_path, exported, options, message, capsys):
    source = exported
    if options[-1] == '32':  # as an export for that size would say
        source = shutil.copytree(exported, tmp_path / 'other')
        report = json.loads((source / 'report.json').read_text())
        (source / 'report.json').write_text(json.dumps({**report, 'size': [32, 32]}))
    assert run(tmp_path / 'out', *options, source=source) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_missing_package_names_the_extra(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    assert run(tmp_path / 'out') == 1
    assert 'needs onnxscript; install the extra [deploy]' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('times', 'options', 'message'),
    [
        ([2.0, 2.0], [], 'int8 is not faster than float32'),
        ([2.0, 1.0], ['--max-drop', '-100'], 'int8 loses more than -100.0 mIoU'),
    ],
)
def test_int8_that_is_not_worth_it(
    exported, tmp_path, data_root, checkpoint, monkeypatch, times, options, message
):
    """NNCF is left out: the float32 network stands for its own quantisation.

    So is OpenVINO's engine: with its threads in this process, later tests that fork would crash.
    """
    pytest.importorskip('openvino', reason='needs the extra [deploy]')
    deploy.export_openvino(exported / 'model.onnx', tmp_path / 'model.xml')
    report = json.loads((exported / 'report.json').read_text())
    report.update(backend='openvino', model='model.xml')
    deploy.write_report(tmp_path, report)
    for name in ('quantise', 'quantise_all'):
        monkeypatch.setattr(deploy, name, lambda model, *args, **kwargs: model)
    runtime = deploy.load_runtime(exported, 1)
    monkeypatch.setattr(deploy, 'load_runtime', lambda folder, threads: runtime)
    monkeypatch.setattr(module, 'latencies', lambda *runs: times)
    argv = [LEAF, str(checkpoint), '--out', 'x', '--backend', 'openvino-int8', *options]
    args = parsed([*argv, *SMALL], module.add_arguments)
    with pytest.raises(ValueError, match=message):
        module.quantise(tmp_path, report, module.read_config_of(args), args)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('backend', 'options'),
    [('onnx', ['--any-size']), ('openvino', []), ('openvino-int8', ['--max-drop', '100'])],
)
def test_whole_export(data_root, checkpoint, tmp_path, monkeypatch, backend, options):
    if backend.startswith('openvino'):
        pytest.importorskip('nncf', reason='needs the extra [deploy]')
        monkeypatch.setattr(module, 'latencies', lambda *runs: [2.0, 1.0])  # say it is faster
    argv = [LEAF, str(checkpoint), '--out', str(tmp_path / 'out'), '--backend', backend]
    assert main([*argv, '--num-images', '2', *options, *SMALL]) == 0
    report = json.loads((tmp_path / 'out/report.json').read_text())
    assert report['agreement']['labels'] >= 0.9999
    segmenter = deploy.load_runtime(tmp_path / 'out')
    size = (50, 70) if '--any-size' in options else (64, 128)
    assert segmenter.segment(np.zeros((*size, 3), np.uint8)).shape == size
