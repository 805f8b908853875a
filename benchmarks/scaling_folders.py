"""Commands over a folder of small images whose cost ``scaling.py`` measures."""

import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from network_list import CONFIGS
from random_networks import random_checkpoint
from scaling_cases import Work

import mmseg_eff
from mmseg_eff.datasets.toy_street import Scene

CONFIG = CONFIGS / 'espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
SIZE = (32, 64)  # pixels of an image


def dataset_of(shared: Path, count: int) -> Path:
    """A folder of that many different images and their labels; made once."""
    root = shared / f'toystreet-{count}'
    if root.exists():
        return root
    scene = Scene(np.random.default_rng(0), *SIZE)
    half = root.with_suffix('.tmp')
    for kind in ('images', 'labels'):
        (half / kind / 'train').mkdir(parents=True)
    for index in range(count):
        image = scene.image.copy()
        image[0, 0] = index % 256, index // 256 % 256, index // 65536  # check_dataset compares them
        cv2.imwrite(str(half / f'images/train/{index:06}.png'), image)
        cv2.imwrite(str(half / f'labels/train/{index:06}.png'), scene.label)
    half.rename(root)
    return root


def config_of(root: Path) -> Config:
    """A small network and its data loaders."""
    config = Config.fromfile(CONFIG)
    config.model.backbone.num_blocks = (1, 1)
    for name in ('train_dataloader', 'test_dataloader'):
        loader = config[name]
        loader.dataset.update(data_root=str(root), split='train')
        loader.update(num_workers=0, persistent_workers=False)
    config.val_dataloader = config.test_dataloader
    return config


def check(shared: Path, count: int) -> Work:
    """Check a dataset."""
    config = config_of(dataset_of(shared, count))
    return partial(mmseg_eff.check_dataset, config, splits=('train',), workers=1)


def weights(shared: Path, count: int) -> Work:
    """Compute class weights."""
    return partial(mmseg_eff.class_weights, config_of(dataset_of(shared, count)))


def predict(folder: Path, shared: Path, count: int) -> Work:
    """Predict a folder by torch."""
    root = dataset_of(shared, count)
    config = config_of(root)
    checkpoint = random_checkpoint(config, folder / 'random.pth', lambda model: None)
    model = mmseg_eff.load_model(config, checkpoint, device='cpu')
    return partial(mmseg_eff.predict_to_folder, model, root / 'images', folder / 'out')


def predict_export(folder: Path, shared: Path, count: int) -> Work:
    """Predict a folder by an export to OpenVINO."""
    root = dataset_of(shared, count)
    config = config_of(root)
    checkpoint = random_checkpoint(config, folder / 'random.pth', lambda model: None)
    image = next((root / 'images').rglob('*.png'))
    made = folder / 'export'
    mmseg_eff.export(config, checkpoint, made, backend='openvino', images=[image])
    return partial(mmseg_eff.predict_to_folder, made, root / 'images', folder / 'out')


def pseudo_label(folder: Path, shared: Path, count: int, **options: object) -> Work:
    """Make pseudo labels; each call anew, or it would find them finished."""
    root = dataset_of(shared, count)
    config = config_of(root)
    checkpoint = random_checkpoint(config, folder / 'random.pth', lambda model: None)

    def run() -> None:
        shutil.rmtree(folder / 'pseudo', ignore_errors=True)
        mmseg_eff.pseudo_label(
            config,
            checkpoint,
            root / 'images',
            folder / 'pseudo',
            scales=[1.0],
            flip=False,
            device='cpu',
            **options,
        )

    return run


def evaluate(folder: Path, shared: Path, count: int) -> Work:
    """Test a checkpoint."""
    config = config_of(dataset_of(shared, count))
    checkpoint = random_checkpoint(config, folder / 'random.pth', lambda model: None)
    return partial(mmseg_eff.evaluate, config, checkpoint, work_dir=folder / 'work')
