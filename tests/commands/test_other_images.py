"""Images that are not 8-bit colour: every command labels the pixels that training reads."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS, TRANSFORMS

from mmseg_eff.benchmarking.stages import Candidate, load_candidate, run_once
from mmseg_eff.commands import export, predict, pseudo_label, test
from mmseg_eff.converters import save_checkpoint
from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.deploy.runtime import load_runtime

LEAF = 'mmseg_eff::espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
SIZE = (40, 56)
CONFIG = """_base_ = '{base}'
load = {load}
test_pipeline = [*load, dict(type='LoadCheckedAnnotations', num_classes=3), *{steps}, {pack}]
meta = dict(classes=('a', 'b', 'c'), palette=[[0, 0, 0], [255, 0, 0], [0, 255, 0]])
test_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(_delete_=True, type='BaseSegDataset', data_root='{root}', metainfo=meta,
        img_suffix='{suffix}', data_prefix=dict(img_path='images', seg_map_path='labels'),
        pipeline=test_pipeline))
val_dataloader = test_dataloader
train_dataloader = dict(dataset=dict(data_root='{root}'))
model = dict(
    data_preprocessor=dict(mean=[{mean}], std=[{std}]),
    backbone=dict(num_blocks=(1, 1), in_channels={channels}),
    decode_head=dict(num_classes=3, in_channels=({first}, {second}, 256)))
"""


@TRANSFORMS.register_module()
class LoadArrayOfTest(BaseTransform):
    """A loader of the user's own."""

    def transform(self, results):
        results['img'] = np.load(results['img_path']).astype(np.float32)
        return results


def loader(**arguments):
    return repr([dict(type='LoadImageFromFile', **arguments)])


def bands(channels, dtype, scale):
    def make(path, rng):
        coarse = rng.integers(20, 200, (*(side // 4 for side in SIZE), channels)) * scale
        image = cv2.resize(coarse.astype(np.float32), SIZE[::-1]).reshape(*SIZE, channels)
        image = image.astype(dtype)
        if path.suffix == '.npy':
            np.save(path, image)
        else:
            assert cv2.imwrite(str(path), image)

    return make


KINDS = {  # loader, suffix, channels, mean, how an image is made
    'grey': (loader(color_type='grayscale'), '.png', 1, 110, bands(3, np.uint8, 1)),
    'four bands of 16 bits': (
        loader(color_type='unchanged'),
        '.tif',
        4,
        30000,
        bands(4, np.uint16, 256),
    ),
    'float': (loader(color_type='unchanged'), '.tif', 3, 0.5, bands(3, np.float32, 1 / 256)),
    'as float': (
        loader(to_float32=True, imdecode_backend='pillow'),
        '.jpg',
        3,
        110,
        bands(3, np.uint8, 1),
    ),
    'own loader': ("[dict(type='LoadArrayOfTest')]", '.npy', 12, 1000, bands(12, np.uint16, 10)),
}


@pytest.fixture(params=KINDS)
def task(request, tmp_path):
    """Config, checkpoint and folder of images of a kind."""
    load, suffix, channels, mean, make = KINDS[request.param]
    rng = np.random.default_rng(0)
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    for name in 'xy':
        make(tmp_path / f'images/{name}{suffix}', rng)
        cv2.imwrite(str(tmp_path / f'labels/{name}.png'), rng.integers(0, 3, SIZE, np.uint8))
    config = tmp_path / 'config.py'
    config.write_text(
        CONFIG.format(
            base=LEAF,
            load=load,
            steps='[]',
            pack="dict(type='PackSegInputs')",
            root=tmp_path,
            suffix=suffix,
            mean=mean,
            std=mean / 4,
            channels=channels,
            first=16 + channels,
            second=128 + channels,
        )
    )
    init_default_scope('mmseg')
    model = MODELS.build(Config.fromfile(config).model).eval()
    checkpoint = tmp_path / 'weights.pth'
    save_checkpoint(dict(state_dict=model.state_dict(), meta={}), checkpoint)
    return config, checkpoint, tmp_path


def read(folder):
    labels = {path.stem: cv2.imread(str(path), -1) for path in Path(folder).glob('*.png')}
    assert sorted(labels) == ['x', 'y']
    return labels


def test_labels_of_all_tools_are_equal(task, capsys):
    config, checkpoint, root = task
    options = [str(config), str(checkpoint)]
    images, cpu = str(root / 'images'), ['--device', 'cpu']
    assert test.main([*options, '--out', str(root / 'test'), '--work-dir', str(root / 'w')]) == 0
    expected = read(root / 'test')
    assert all(len(np.unique(label)) > 1 for label in expected.values())

    found = {}
    assert predict.main([*options, images, '--out', str(root / 'p'), *cpu]) == 0
    assert predict.main([*options, images, '--out', str(root / 't'), *cpu, '--tile', '64',
                         '--overlap', '0']) == 0  # fmt: skip
    found |= {'predict': read(root / 'p/labels'), 'tile': read(root / 't/labels')}
    overlay = cv2.imread(str(root / 'p/overlays/x.png'))
    assert overlay.shape == (*SIZE, 3) and overlay.std() > 10

    one_view = ['--scales', '1', '--no-flip', '--confidence', '0']
    argv = [*options, images, '--out', str(root / 'l'), *cpu, *one_view]
    assert pseudo_label.main(argv) == 0
    found['pseudo_label'] = read(root / 'l/labels')

    assert export.main([*options, '--out', str(root / 'e'), '--images', images]) == 0
    has_own_loader = ImageReader(Config.fromfile(config).test_pipeline).loader is None
    argv = [str(root / 'e'), images, '--out', str(root / 'pe')]
    if has_own_loader:
        assert predict.main(argv) == 1
        assert 'reads images by a transform of its own, which is not' in capsys.readouterr().err
        runtime = load_runtime(root / 'e')
        found['export'] = {
            path.stem: runtime.segment(np.load(path).astype(np.float32))
            for path in Path(images).iterdir()
        }
    else:
        assert predict.main(argv) == 0
        found['export'] = read(root / 'pe/labels')

    segmentor, clock = load_candidate(Candidate('net', str(config), str(checkpoint)), 2, False)
    found['benchmark'] = {}
    for path in sorted((root / 'images').iterdir()):
        run_once(segmentor, clock, path, root / 'b.png')
        found['benchmark'][path.stem] = cv2.imread(str(root / 'b.png'), -1)
    for tool, labels in found.items():
        for name, label in labels.items():
            assert np.array_equal(label, expected[name]), (tool, name)
