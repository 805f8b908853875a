import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers import read_image
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import mmseg_eff
from mmseg_eff import deploy
from mmseg_eff.apis import exporting
from mmseg_eff.apis.exporting import Export, choose_images
from mmseg_eff.config.load import load_config
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.deploy import Agreement, Latency, PrecisionFigures
from mmseg_eff.deploy import export as to_folder
from mmseg_eff.errors import InputError
from mmseg_eff.inference.segmentor import load_segmentor, segment_image
from mmseg_eff.utils.atomic_io import sha256_of

onnx = pytest.importorskip('onnx', reason='needs the extra [deploy]')
pytest.importorskip('onnxscript', reason='needs the extra [deploy]')
pytest.importorskip('onnxruntime', reason='needs the extra [deploy]')

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
SMALL = {'model.backbone.num_blocks': (1, 1)}
MEASURED = ('agreement', 'latency_ms', 'versions', 'checkpoint_sha256')
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
def config(toy_root):
    init_default_scope('mmseg')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMSEG_EFF_DATA', str(toy_root))
        return load_config(LEAF, SMALL)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory, config):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'weights.pth'
    save_checkpoint(dict(state_dict=MODELS.build(config.model).state_dict(), meta={}), path)
    return path


@pytest.fixture(scope='module')
def image(toy_root):
    return next((toy_root / 'toystreet/images/val').iterdir())


@pytest.fixture(scope='module')
def exported(tmp_path_factory, checkpoint, image):
    """An export by the name of a config, of one image."""
    out = tmp_path_factory.mktemp('exported') / 'out'
    return mmseg_eff.export(LEAF, checkpoint, out, images=image, threads=1, options=SMALL)


@pytest.fixture
def export(config, checkpoint, data_root, exported, monkeypatch):
    """``export`` of the same network, which copies an earlier export in the place of a new one."""

    def export(out, *, source=exported.folder, **options):
        def fill_folder(model, graph, backend, folder, *, loading):
            shutil.copytree(source, folder, dirs_exist_ok=True)
            (folder / 'report.json').unlink()
            report = json.loads((source / 'report.json').read_text())
            return {key: value for key, value in report.items() if key not in MEASURED}

        monkeypatch.setattr(to_folder, 'fill_folder', fill_folder)
        monkeypatch.setattr('mmseg_eff.deploy.verify.TIMED_RUNS', 1)
        return mmseg_eff.export(config, checkpoint, out, **{'threads': 1, **options})

    return export


@pytest.fixture
def broken(exported, tmp_path):
    """The exported folder with the outputs of the last convolution in another order."""
    folder = shutil.copytree(exported.folder, tmp_path / 'broken')
    network = onnx.load(folder / 'model.onnx')
    *_, last = (node for node in network.graph.node if node.op_type in CONVOLUTIONS)
    (tensor,) = (x for x in network.graph.initializer if x.name == last.input[1])
    weight = onnx.numpy_helper.to_array(tensor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.roll(weight, 1, axis=0), tensor.name))
    onnx.save(network, folder / 'model.onnx')
    deploy.write_report(folder, exported.report)
    return folder


def test_the_folder_needs_neither_torch_nor_mmseg(exported, tmp_path, config, checkpoint, image):
    label = tmp_path / 'label.png'
    command = [sys.executable, '-c', RUN_ALONE, str(image), str(label)]
    subprocess.run(command, cwd=exported.folder, check=True)
    expected = segment_image(load_segmentor(config, checkpoint, 'cpu'), read_image(image))
    assert len(np.unique(expected)) > 1
    assert np.array_equal(cv2.imread(str(label), cv2.IMREAD_UNCHANGED), expected)


def test_what_was_measured_is_returned_and_reported(exported, checkpoint):
    report = json.loads((exported.folder / 'report.json').read_text())
    assert exported.report == report
    assert exported.agreement == Agreement(images=1, labels=1.0, worst_image=1.0)
    assert exported.latency_ms == Latency(**report['latency_ms'])
    assert min(report['latency_ms'].values()) > 0
    assert exported.reduced is None and exported.int8 is None
    assert (report['precision'], report['inference_precision']) == ('f32', 'f32')
    assert report['size'] == [64, 128]
    names = {'model.onnx', 'engine.py', *(path.name for path in deploy.package.MODULES)}
    assert set(report['files']) == names
    size = (exported.folder / 'model.onnx').stat().st_size
    assert report['files']['model.onnx']['bytes'] == size
    assert report['versions']['onnx'] == onnx.__version__
    assert report['checkpoint_sha256'] == sha256_of(checkpoint)


@pytest.mark.parametrize(
    ('report', 'key', 'is_int8'),
    [
        (dict(), 'int8', True),  # as of earlier exports
        (dict(precision='int8'), 'precision_figures', True),
        (dict(precision='bf16'), 'precision_figures', False),
    ],
)
def test_figures_of_a_lower_precision_are_in_the_report(report, key, is_int8):
    agreement = dict(images=2, labels=0.9, worst_image=0.8)
    figures = dict(images=5, miou=[60.0, 59.8], network_ms=[2.0, 1.0], agreement=agreement)
    result = Export(Path('out'), {**report, key: figures})
    expected = PrecisionFigures(5, (60.0, 59.8), (2.0, 1.0), Agreement(2, 0.9, 0.8))
    assert result.reduced == expected
    assert result.int8 == (expected if is_int8 else None)


def test_broken_network_is_refused(export, tmp_path, broken):
    out = tmp_path / 'new/out'
    message = 'of the labels are those of the original, 99.99% must be'
    with pytest.raises(InputError, match=message):
        export(out, source=broken)
    assert list(out.parent.iterdir()) == []


def test_earlier_export_stays_when_the_new_one_is_broken(export, tmp_path, exported, broken):
    out = shutil.copytree(exported.folder, tmp_path / 'new/out')
    before = (out / 'report.json').read_bytes()
    with pytest.raises(InputError):
        export(out, source=broken)
    assert (out / 'report.json').read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == ['out']
    assert export(out).agreement.images == 2  # all of the test data
    assert json.loads((out / 'report.json').read_text())['agreement']['images'] == 2


def test_a_full_disk_leaves_the_earlier_export(export, tmp_path, monkeypatch):
    out = tmp_path / 'place/out'
    export(out)
    before = (out / 'report.json').read_bytes()

    def write_report(*_args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(to_folder, 'write_report', write_report)
    with pytest.raises(OSError, match='No space left') as info:
        export(out)
    assert info.value.filename == str(out)
    assert (out / 'report.json').read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


def test_other_folders_are_refused_before_the_work(export, tmp_path, monkeypatch):
    (tmp_path / 'notes.txt').write_text('mine')
    for work in ('as_config', 'load_segmentor'):
        monkeypatch.setattr(exporting, work, lambda *_args: pytest.fail('the work began'))
    with pytest.raises(InputError, match=r'notes\.txt: would be deleted, and is no earlier export'):
        export(tmp_path)
    assert (tmp_path / 'notes.txt').read_text() == 'mine'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(backend='onx'), r"must be one of .*onnx, openvino, .*tensorrt.*, got 'onx'"),
        (dict(num_images=0), 'num_images must be 1 or more, got 0'),
        (dict(threads=-1), 'threads must be 0 or more, got -1'),
        (dict(calibration=0), 'calibration must be 1 or more, got 0'),
        (dict(validation=0), 'validation must be 1 or more, got 0'),
        (dict(max_drop=float('nan')), 'max_drop must be a finite number, got nan'),
        (dict(size=(32, 32), any_size=True), 'size and any_size exclude each other'),
        (dict(size=(0, 8)), 'size must be two whole numbers'),
        (dict(size=(32, 32)), 'exported for 32x32, got 64x128: export with --any-size'),
        (dict(images='none.png'), 'none.png: no such file or folder'),
        (dict(images=[]), 'hold no image'),
        (dict(inside=('resize', 'normalise')), 'the test pipeline has none'),
        (dict(precision='int4'), "onnx has no precision 'int4'; precision must be one of f32, f16"),
        (dict(precision='bf16'), "onnx has no precision 'bf16'; precision must be one of f32, f16"),
        (
            dict(backend='openvino-int8', precision='f16'),
            'backend openvino-int8 means precision int8, got f16',
        ),
    ],
)
def test_wrong_arguments(export, tmp_path, exported, options, message):
    source = exported.folder
    if options == dict(size=(32, 32)):  # as an export for that size would say
        source = shutil.copytree(source, tmp_path / 'other')
        report = {**exported.report, 'size': [32, 32]}
        (source / 'report.json').write_text(json.dumps(report))
    with pytest.raises(InputError, match=message):
        export(tmp_path / 'out', source=source, **options)
    assert not (tmp_path / 'out').exists()


def test_missing_package_names_the_extra(export, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    with pytest.raises(InputError, match=r'needs onnxscript; install the extra \[deploy\]'):
        export(tmp_path / 'out')


@pytest.fixture
def arguments(monkeypatch):
    """What ``deploy.export_to_folder`` is called with, which then does nothing."""
    found = {}

    def export_to_folder(folder, model, original, images, **options):
        found.update(options, images=images, torch_threads=torch.get_num_threads())
        return {}

    monkeypatch.setattr(deploy, 'export_to_folder', export_to_folder)
    monkeypatch.setattr(deploy, 'check_backend', lambda _backend: None)
    return found


@pytest.mark.parametrize(
    'asked', [dict(backend='openvino-int8'), dict(backend='openvino', precision='int8')]
)
def test_int8_is_calibrated_on_training_and_validated_on_test_images(
    export, arguments, tmp_path, data_root, asked
):
    export(tmp_path / 'out', calibration=3, validation=2, max_drop=0.25, **asked)
    assert arguments['backend'] == 'openvino'
    reduction = arguments['reduction']
    assert (reduction.precision, reduction.max_drop) == ('int8', 0.25)
    images = data_root / 'toystreet/images'
    calibration, validation = (
        [image.path for image in selected]
        for selected in (reduction.calibration, reduction.validation)
    )
    assert len(calibration) == 3 and {path.parent for path in calibration} == {images / 'train'}
    assert len(validation) == 2 and {path.parent for path in validation} == {images / 'val'}


def test_a_lower_precision_without_calibration(export, arguments, tmp_path):
    export(tmp_path / 'out', backend='openvino', precision='bf16')
    reduction = arguments['reduction']
    assert (reduction.precision, reduction.max_drop) == ('bf16', 0.1)
    assert (len(reduction.calibration), len(reduction.validation)) == (0, 2)


def test_arguments_reach_the_export(export, arguments, tmp_path, data_root, checkpoint):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        export(tmp_path / 'a', any_size=True, inside=('labels',), batch=4, num_images=1, threads=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    (image,) = arguments.pop('images')
    assert image.parent == data_root / 'toystreet/images/val'
    assert arguments == dict(
        checkpoint=str(checkpoint),
        backend='onnx',
        size=None,
        any_size=True,
        inside=('labels',),
        batch=4,
        output='labels',
        weights=None,
        reduction=None,
        threads=1,
        layout='folder',
        name='a',
        torch_threads=1,
    )


def test_images_to_compare_on(config, data_root, tmp_path, make_image):
    files = sorted((data_root / 'toystreet/images/val').iterdir())
    assert len(files) == 2
    assert choose_images(config, None, 8) == files
    assert choose_images(config, None, 1) == files[:1]
    mine = make_image(tmp_path / 'mine/a.png')
    (tmp_path / 'mine/b.mp4').touch()
    assert choose_images(config, mine.parent, 8) == [mine]
    assert choose_images(config, [str(mine), files[1]], 8) == [mine, files[1]]
    with pytest.raises(InputError, match=r'images \S+/b\.mp4: hold no image'):
        choose_images(config, tmp_path / 'mine/b.mp4', 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('backend', 'precision', 'options'),
    [
        ('onnx', 'f32', dict(any_size=True)),
        ('onnx', 'f16', dict(any_size=True)),
        ('onnx', 'int8', {}),
        ('openvino', 'f32', {}),
        ('openvino', 'f16', {}),
        ('openvino', 'int8', {}),
    ],
)
def test_whole_export(
    data_root, config, checkpoint, tmp_path, monkeypatch, backend, precision, options
):
    if backend == 'openvino':
        pytest.importorskip('nncf', reason='needs the extra [deploy]')
    # say it is faster
    monkeypatch.setattr('mmseg_eff.deploy.precision.latencies', lambda *_runs: (2.0, 1.0))
    out = tmp_path / 'out'
    options = dict(options, backend=backend, precision=precision, num_images=2, max_drop=100)
    result = mmseg_eff.export(config, checkpoint, out, **options)
    assert result.agreement.labels >= 0.9999
    assert result.report['precision'] == precision
    assert (result.reduced is not None) == (precision != 'f32')
    assert (result.int8 is not None) == (precision == 'int8')
    assert precision != 'f16' or result.reduced.agreement.labels > 0.99
    segmenter = deploy.load_runtime(out)
    size = (50, 70) if 'any_size' in options else (64, 128)
    assert segmenter.segment(np.zeros((*size, 3), np.uint8)).shape == size
