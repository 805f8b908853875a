"""Every network exports for ONNX Runtime and OpenVINO at two sizes, and for phones at one.

The export checks it itself. By default a network of each kind exports once (``FAST``); everything
else is ``slow``.
"""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.models import BaseSegmentor
from networks import PARAMETERS, build, config_of
from numpy.typing import NDArray
from random_networks import set_benign_norms

from mmseg_eff.commands import main
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.deploy.backends import find_backend
from mmseg_eff.deploy.verify import MIN_AGREEMENT
from mmseg_eff.inference.segmentor import ImageSegmentor

for package in ('onnx', 'onnxscript', 'onnxruntime', 'openvino'):
    pytest.importorskip(package, reason='needs the extra [deploy]')

SIZES = [(64, 128), (72, 104)]  # powers of two, and no multiple of 16
BACKENDS = ['onnx', 'openvino']
PHONES = ['litert', 'executorch']
FAST = {
    ('deeplabv3plus-mobilenetv2_cityscapes', (72, 104), 'onnx'),
    ('espnet-p2q3_cityscapes', (72, 104), 'onnx'),
    ('espnetv2-s0.5_cityscapes', (64, 128), 'openvino'),
    ('mobilenetv2_bifpn_weightedsum', (64, 128), 'onnx'),
}
CASES = [
    pytest.param(*case, marks=() if case in FAST else pytest.mark.slow)
    for case in (*product(PARAMETERS, SIZES, BACKENDS), *product(PARAMETERS, SIZES[:1], PHONES))
]
NUM_IMAGES = 8  # 59904 pixels and more: five labels may differ
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
PREPROCESSOR = dict(
    type='SegDataPreProcessor', mean=[127.5] * 3, std=[60.0] * 3, bgr_to_rgb=True, size_divisor=1
)


class Network(NamedTuple):
    folder: Path  # with config.py and weights.pth
    model: BaseSegmentor


@pytest.fixture(scope='module')
def pool() -> Iterator[ProcessPoolExecutor]:
    """A process for the engines: with OpenVINO's threads in this one, later forks would crash."""
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        yield pool


@pytest.fixture(scope='module')
def network(request, tmp_path_factory) -> Iterator[Network]:
    """The network of a name, with random weights."""
    torch.manual_seed(0)
    init_default_scope('mmseg')
    config = ConfigDict(config_of(request.param), data_preprocessor=PREPROCESSOR)
    model = build(config)
    images = torch.from_numpy(smooth_noise(SIZES[0])).permute(0, 3, 1, 2)
    set_benign_norms(model, images)
    classes = [str(label) for label in range(model.decode_head.num_classes)]
    dataset = dict(
        type='BaseSegDataset', metainfo=dict(classes=classes, palette=[[0] * 3] * len(classes))
    )
    model.cfg = Config(
        dict(model=config, test_pipeline=PIPELINE, test_dataloader=dict(dataset=dataset))
    )
    folder = tmp_path_factory.mktemp('network')
    model.cfg.dump(folder / 'config.py')
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), folder / 'weights.pth')
    yield Network(folder, model.eval())
    shutil.rmtree(folder)  # with the export, up to 600 MB


def smooth_noise(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Images (NUM_IMAGES, H, W, 3) of a size (H, W)."""
    height, width = size
    coarse = np.random.default_rng(0).integers(
        0, 256, (NUM_IMAGES, height // 4, width // 4, 3), np.uint8
    )
    return np.stack([cv2.resize(x, (width, height), interpolation=cv2.INTER_CUBIC) for x in coarse])


def write_images(folder: Path, size: tuple[int, int]) -> list[Path]:
    paths = [folder / f'{size[0]}x{size[1]}-{index}.png' for index in range(NUM_IMAGES)]
    for path, image in zip(paths, smooth_noise(size), strict=True):
        cv2.imwrite(str(path), image)
    return paths


def assert_exports(pool: ProcessPoolExecutor, network: Network, paths: list[Path], *options: str):
    """The export agrees on images, and there is something to agree on."""
    folder, model = network
    segmentor = ImageSegmentor(model)
    labels = [segmentor.segment(segmentor.reader.read(path)) for path in paths]
    assert any(len(np.unique(label)) > 1 for label in labels)
    argv = [str(folder / 'config.py'), str(folder / 'weights.pth'), '--out', str(folder / 'out')]
    argv += ['--threads', '1', *options, '--images', *map(str, paths)]
    assert pool.submit(main, ['export', *argv]).result() == 0
    agreement = json.loads((folder / 'out/report.json').read_text())['agreement']
    assert agreement['images'] == len(paths)
    assert agreement['labels'] >= MIN_AGREEMENT


def test_fast_ones_are_among_them():
    assert {case.values for case in CASES} >= FAST


@pytest.mark.parametrize(
    ('network', 'size', 'backend'),
    CASES,
    indirect=['network'],
    ids=lambda value: 'x'.join(map(str, value)) if isinstance(value, tuple) else value,
)
def test_export_agrees(pool, network, size, backend, tmp_path):
    for package in find_backend(backend).NEEDS:
        pytest.importorskip(package, reason=f'needs the extra [{find_backend(backend).EXTRA}]')
    assert_exports(pool, network, write_images(tmp_path, size), '--backend', backend)


@pytest.mark.slow
@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('network', ['espnetv2-s0.5_cityscapes'], indirect=True)
def test_export_for_any_size_agrees(pool, network, backend, tmp_path):
    """After EPP, whose pyramids resize to shares of the map's size."""
    paths = [path for size in (*SIZES, (101, 67)) for path in write_images(tmp_path, size)]
    assert_exports(pool, network, paths, '--backend', backend, '--any-size')


@pytest.mark.slow
@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
@pytest.mark.parametrize('options', [['--batch', '3'], ['--batch', 'any', '--output', 'logits']])
@pytest.mark.parametrize(
    'network', ['espnet-p2q3_cityscapes', 'espnetv2-s0.5_cityscapes'], indirect=True
)
def test_export_of_several_images_agrees(pool, network, backend, options, tmp_path):
    """Of eight images in threes, the last two run with a copy."""
    paths = write_images(tmp_path, SIZES[0])
    assert_exports(pool, network, paths, '--backend', backend, *options)
