"""mmseg's tools and inference functions work on the configs here, unmodified, from any folder."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers import TINY
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from mmseg_eff import compat
from mmseg_eff.converters import load_checkpoint
from mmseg_eff.hub import get

NAME = 'espnet-p2q3_1xb8-0.6k_toystreet-128x256'
CITYSCAPES = 'espnet-c-p2q3_1xb14-319k_cityscapes-512x1024'
CONFIG = compat.PACKAGE_ROOT / f'.mim/configs/espnet/{NAME}.py'


@pytest.fixture
def image(make_image, tmp_path):
    return str(make_image(tmp_path / 'image.png', 64, 128))


def test_init_and_inference_model(image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = init_model(str(CONFIG), device='cpu')
    labels = inference_model(model, image).pred_sem_seg.data
    assert labels.shape == (1, 64, 128)
    from_array = inference_model(model, cv2.imread(image)).pred_sem_seg.data
    assert (labels == from_array).all()


@pytest.mark.parametrize('scope', ['mmseg', 'mmseg_eff'])
def test_inferencer_by_name(image, tmp_path, monkeypatch, official_weights, scope):
    """By the field Weights of the metafile, with the weights that are published for the config."""
    monkeypatch.chdir(tmp_path)
    inferencer = MMSegInferencer(CITYSCAPES, device='cpu', scope=scope)
    expected = load_checkpoint(get('espnet-c-p2q3_cityscapes'))['state_dict']
    given = inferencer.model.state_dict()
    assert all(torch.equal(given[name], value) for name, value in expected.items())
    result = inferencer(image, out_dir=str(tmp_path / 'out'), show=False)
    assert result['predictions'].shape == (64, 128)
    assert result['predictions'].max() < 20
    drawn = cv2.imread(str(tmp_path / 'out/vis/image.png'))
    assert drawn.shape == (64, 128, 3)


def test_inferencer_by_path(image):
    result = MMSegInferencer(str(CONFIG), device='cpu')(image, return_vis=True)
    assert result['visualization'].shape == (64, 128, 3)


@pytest.mark.parametrize('color_type', ['color', 'grayscale'])
def test_inferencer_of_a_config_with_checked_loading(image, tmp_path, color_type):
    """The config of docs/train_my_data.md; mmseg looks for LoadImageFromFile by name."""
    channels = 3 if color_type == 'color' else 1
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = '{CONFIG}'\n"
        f"load = [dict(type='LoadCheckedImage', color_type='{color_type}'),\n"
        "        dict(type='LoadCheckedAnnotations', num_classes=9)]\n"
        "test_pipeline = [*load, dict(type='PackSegInputs')]\n"
        'test_dataloader = dict(dataset=dict(pipeline=test_pipeline))\n'
        f'normalise = dict(mean=[100.0] * {channels}, std=[50.0] * {channels})\n'
        'model = dict(data_preprocessor=normalise,\n'
        f'             backbone=dict(in_channels={channels}),\n'
        f'             decode_head=dict(in_channels=(16 + {channels}, 128 + {channels}, 256)))\n'
    )
    model = init_model(str(config), device='cpu')
    inferencer = MMSegInferencer(str(config), device='cpu')
    inferencer.model.load_state_dict(model.state_dict())
    labels = inferencer(image)['predictions']
    assert labels.shape == (64, 128)
    assert np.array_equal(labels, inference_model(model, image).pred_sem_seg.data[0].numpy())
    if color_type == 'color':
        from_array = inferencer(cv2.imread(image))['predictions']
        assert np.array_equal(labels, from_array)


@TRANSFORMS.register_module()
class LoadOwnLabels(LoadAnnotations):
    """Load a label, which an image to predict does not have."""


@pytest.mark.parametrize('is_wrapped', [False, True])
@pytest.mark.parametrize('loader', ['LoadImageFromFile', 'mmcv.LoadImageFromFile'])
def test_inferencer_leaves_out_labels_and_finds_wrapped_pipelines(image, loader, is_wrapped):
    config = Config.fromfile(CONFIG)
    pipeline = [dict(type=loader), dict(type='LoadOwnLabels'), dict(type='PackSegInputs')]
    dataset = {**config.test_dataloader.dataset, 'pipeline': pipeline}
    if is_wrapped:
        dataset = dict(type='ConcatDataset', datasets=[dataset])
    config.test_dataloader.dataset = dataset
    inferencer = MMSegInferencer(config, device='cpu')
    labels = inferencer(image)['predictions']
    assert labels.shape == (64, 128)
    assert np.array_equal(inferencer(cv2.imread(image))['predictions'], labels)


def test_names_of_both_packages_are_listed():
    names = MMSegInferencer.list_models('mmseg')
    assert NAME in names
    assert 'fcn_r50-d8_4xb2-40k_cityscapes-512x1024' in names
    assert NAME in MMSegInferencer.list_models('mmseg_eff')


def test_config_inherited_by_package_trains_in_its_scope(data_root, tmp_path):
    """``mmseg_eff::`` bases put the scope mmseg_eff into every part, hooks included."""
    from mmengine.runner import Runner

    path = tmp_path / 'own.py'
    path.write_text(f"_base_ = 'mmseg_eff::espnet/{NAME}.py'\nwork_dir = {str(tmp_path)!r}\n")
    config = Config.fromfile(path)
    assert config.model['_scope_'] == 'mmseg_eff'
    config.merge_from_dict(
        {
            key: tuple(eval(value)) if value[0] == '(' else eval(value)
            for key, _, value in (option.partition('=') for option in TINY)
        }
    )
    Runner.from_cfg(config).train()
    assert (tmp_path / 'iter_2.pth').is_file()


def test_stock_train_and_test_scripts(data_root, tmp_path):
    tools = Path(compat.get_installed_path('mmseg'), '.mim/tools')
    environment = {**os.environ, 'MMSEG_EFF_DATA': str(data_root)}

    def run(script, *arguments):
        command = [sys.executable, '-W', 'ignore', str(tools / script), str(CONFIG), *arguments]
        command += ['--work-dir', str(tmp_path), '--cfg-options', *TINY]
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr[-2000:]
        return result.stdout + result.stderr

    run('train.py')
    assert 'mIoU' in run('test.py', str(tmp_path / 'iter_2.pth'))
    label = np.unique(cv2.imread(str(next((data_root / 'toystreet/labels/val').iterdir())), 0))
    assert len(label) > 3  # the evaluated labels are not empty
