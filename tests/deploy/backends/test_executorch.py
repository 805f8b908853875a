"""ExecuTorch's programs for phones, run by its runtime for Python."""

import gc
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from exported import run_alone
from helpers import build_segmentor
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

import mmseg_eff
from mmseg_eff.config.load import as_config
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.deploy import SegmentationGraph, delegate_ops
from mmseg_eff.deploy.backends import executorch
from mmseg_eff.errors import InputError
from mmseg_eff.models.necks.epp import EfficientPyramidPool

runtime = pytest.importorskip('executorch.runtime', reason='needs the extra [executorch]')

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
SMALL = {'model.backbone.num_blocks': (1, 1)}
SIZE = (46, 64)  # the decoder cuts a row
ESPNET = dict(type='ESPNet', arch='C', num_blocks=(1, 1))
HEAD = dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=4)


def make_graph(backbone=ESPNET, head=HEAD, size=SIZE, batch=1) -> SegmentationGraph:
    """The graph of a small segmentor with random weights and statistics."""
    torch.manual_seed(0)
    init_default_scope('mmseg')
    model = build_segmentor(backbone, head).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # or all labels would be one
            module.running_mean.normal_(0, 0.1)
    model.cfg = ConfigDict(test_pipeline=[])
    return SegmentationGraph(model, inside=executorch.INSIDE, size=size, batch=batch).eval()


def images_of(graph, seed=0):
    shape = graph.example(graph.size)[0].shape
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def load(path, graph):
    return executorch.load(runtime, path, 1, dict(inputs=graph.inputs))


def parts_of(path: Path) -> list[str]:
    """What a program calls: ``XNNPACK``, or the name of a portable kernel."""
    from executorch.exir._serialize._program import deserialize_pte_binary
    from executorch.exir.schema import DelegateCall, KernelCall

    (plan,) = deserialize_pte_binary(path.read_bytes()).program.execution_plan
    calls = [instruction.instr_args for chain in plan.chains for instruction in chain.instructions]
    return [
        'XNNPACK' if isinstance(call, DelegateCall) else plan.operators[call.op_index].name
        for call in calls
        if isinstance(call, DelegateCall | KernelCall)
    ]


@pytest.fixture(scope='module')
def graph():
    return make_graph()


@pytest.fixture(scope='module')
def converted(graph, tmp_path_factory):
    """The file of the small network."""
    folder = tmp_path_factory.mktemp('converted')
    executorch.convert(graph, folder)
    assert [path.name for path in folder.iterdir()] == list(executorch.FILES)
    return folder / executorch.MODEL


def test_a_network_is_one_piece_after_the_conversion_to_float(converted):
    assert parts_of(converted) == ['dim_order_ops::_to_dim_order_copy', 'XNNPACK']


def test_logits_are_those_of_torch(graph, converted):
    run = load(converted, graph)
    for seed in range(3):
        image = images_of(graph, seed)
        with torch.no_grad():
            expected = graph(torch.from_numpy(image))
        image.setflags(write=False)
        logits = run(dict(image=image))
        assert logits.dtype == np.float32
        torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=1e-4, atol=1e-5)
    assert len(np.unique(logits.argmax(1))) > 1


def test_threads_wait_for_each_other(graph, converted):
    run = load(converted, graph)
    images = [images_of(graph, seed) for seed in range(8)]
    expected = [run(dict(image=image)) for image in images]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda image: run(dict(image=image)), images))
    assert all(map(np.array_equal, results, expected))


def test_the_first_network_sets_the_threads_of_further_ones(graph, converted):
    from executorch.extension.pybindings.portable_lib import _threadpool_get_thread_count

    image = dict(image=images_of(graph))

    def load_with(threads):
        run = executorch.load(runtime, converted, threads, dict(inputs=graph.inputs))
        run(image)
        return run, _threadpool_get_thread_count()

    gc.collect()
    assert not executorch.networks
    first, threads = load_with(2)
    assert threads == 2
    second, threads = load_with(1)
    assert threads == 2
    assert np.array_equal(first(image), second(image))
    del first, second
    assert load_with(1)[1] == 1


def test_loading_is_quiet(graph, converted, capfd):
    load(converted, graph)(dict(image=images_of(graph)))
    assert capfd.readouterr() == ('', '')


def test_a_damaged_file_is_refused_with_its_reason(graph, converted, tmp_path, capfd):
    path = tmp_path / 'model.pte'
    path.write_bytes(converted.read_bytes()[:1000])
    with pytest.raises(RuntimeError, match='File size is too small'):
        load(path, graph)
    assert capfd.readouterr() == ('', '')


def test_what_cannot_be_converted_is_refused_in_one_line(graph, tmp_path, monkeypatch):
    def fail(*_args):
        raise RuntimeError('Operator torch._ops.aten.odd.default\n  is not Aten Canonical')

    monkeypatch.setattr(executorch, 'lower', fail)
    with pytest.raises(InputError) as info:
        executorch.convert(graph, tmp_path)
    reason = 'Operator torch._ops.aten.odd.default is not Aten Canonical'
    assert str(info.value) == f'ExecuTorch cannot convert this network: {reason}'


class Pyramid(nn.Module):
    """ESPNetv2's pyramid, with what a conversion asks of a graph."""

    channels, size, inputs = 3, (50, 70), ('image',)

    def __init__(self) -> None:
        super().__init__()
        self.pyramid = EfficientPyramidPool(3, 4).eval()
        self.pyramid.fold()

    def example(self, size: tuple[int, int]) -> tuple[Tensor]:
        return (torch.randint(256, (1, *size, 3)).to(torch.uint8),)

    def forward(self, image: Tensor) -> Tensor:
        return self.pyramid(image.permute(0, 3, 1, 2).float())


@pytest.mark.slow
def test_the_pyramid_of_espnetv2_is_one_piece(tmp_path):
    graph = Pyramid().eval()
    executorch.convert(graph, tmp_path)
    path = tmp_path / executorch.MODEL
    assert parts_of(path).count('XNNPACK') == 1
    image = images_of(graph)
    with torch.no_grad():
        expected = graph(torch.from_numpy(image))
    logits = torch.from_numpy(load(path, graph)(dict(image=image)))
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_batch(tmp_path):
    graph = make_graph(batch=2)
    executorch.convert(graph, tmp_path)
    images = images_of(graph)
    with torch.no_grad():
        expected = graph(torch.from_numpy(images))
    logits = torch.from_numpy(load(tmp_path / executorch.MODEL, graph)(dict(image=images)))
    assert len(logits) == 2
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_eight_bits_are_smaller_and_near(graph, converted, tmp_path):
    calibration = [dict(image=images_of(graph, seed)) for seed in range(4)]
    changed = executorch.reduce(graph, tmp_path, {}, 'int8', calibration)
    path = tmp_path / changed['model']
    assert path.stat().st_size < 0.5 * converted.stat().st_size
    image = dict(image=images_of(graph, 9))
    expected, logits = load(converted, graph)(image), load(path, graph)(image)
    difference = np.abs(logits - expected)
    assert 0 < difference.mean() < 0.1 * np.abs(expected).mean()


@pytest.fixture
def export(tmp_path, toy_root, monkeypatch):
    """Export the small network of the synthetic dataset."""
    monkeypatch.setenv('MMSEG_EFF_DATA', str(toy_root))
    images = sorted((toy_root / 'toystreet/images/val').iterdir())
    checkpoint = tmp_path / 'weights.pth'
    model = MODELS.build(as_config(LEAF, SMALL).model)
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), checkpoint)

    def export():
        return mmseg_eff.export(
            LEAF,
            checkpoint,
            tmp_path / 'out',
            backend='executorch',
            images=images,
            threads=1,
            options=SMALL,
        )

    return export, images[0], tmp_path / 'out'


RUN_ALONE = """
import sys
import cv2
from runtime import load_runtime
segmenter = load_runtime('.', threads=1)
cv2.imwrite(sys.argv[2], segmenter.segment(cv2.imread(sys.argv[1])))
print('mmseg' in sys.modules, 'mmseg_eff' in sys.modules)
"""


@pytest.mark.slow
def test_an_exported_folder_runs_alone(export, tmp_path):
    run, image, out = export
    result = run()
    assert result.agreement.labels >= 0.9999
    report = json.loads((out / 'report.json').read_text())
    assert report['model'] == 'model.pte' and 'labels' not in report['inside']
    label = tmp_path / 'label.png'
    assert run_alone(RUN_ALONE, image, label, cwd=out) == ['False False']
    labels = mmseg_eff.deploy.load_runtime(out).segment(cv2.imread(str(image)))
    assert np.array_equal(cv2.imread(str(label), cv2.IMREAD_UNCHANGED), labels)


@pytest.mark.slow
def test_a_broken_export_is_refused_and_leaves_nothing(export, monkeypatch):
    """As if the channels came in the wrong order."""
    run, _image, out = export
    before = delegate_ops.channels_first
    monkeypatch.setattr(delegate_ops, 'channels_first', lambda image: before(image).roll(1, 1))
    with pytest.raises(InputError, match=r'% of the labels are those of the original'):
        run()
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('config', 'weights'),
    [
        ('espnet/espnet-p2q8_1xb8-558k_cityscapes-512x1024.py', 'espnet-p2q8_cityscapes'),
        ('espnetv2/espnetv2-s0.5_1xb6-49.6k_cityscapes-512x1024.py', 'espnetv2-s0.5_cityscapes'),
    ],
)
def test_official_weights_on_real_images(shared, official_weights, tmp_path, config, weights):
    paths = []
    for path in sorted((shared / 'data/cityscapes_sample').glob('*.png')):
        paths.append(tmp_path / path.name)
        cv2.imwrite(str(paths[-1]), cv2.resize(cv2.imread(str(path)), (512, 256)))
    assert paths
    result = mmseg_eff.export(
        f'mmseg_eff::{config}',
        f'hub:{weights}',
        tmp_path / 'out',
        backend='executorch',
        images=paths,
        threads=1,
    )
    assert result.agreement.labels >= 0.9999
    assert parts_of(tmp_path / 'out/model.pte').count('XNNPACK') == 1
