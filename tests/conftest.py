"""Fixtures; the first import is ours, because stock mmseg cannot be imported without it."""

import os
from pathlib import Path

import mmseg_eff  # isort: split

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope, init_default_scope
from mmseg.visualization import SegLocalVisualizer

from mmseg_eff.datasets import make_toy_street
from mmseg_eff.deploy.engines import disable_telemetry
from mmseg_eff.hub.cache import VARIABLE
from mmseg_eff.hub.download import MIRROR
from mmseg_eff.safe_config.process import SEAL

disable_telemetry()  # before tests import the engines to see whether they are there
ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get('MMSEG_EFF_SHARED', ROOT.parent / 'shared'))


@pytest.fixture(autouse=True)
def seeded():
    SEAL.close()  # an earlier test may have read a safe config
    torch.manual_seed(0)
    np.random.seed(0)
    DefaultScope._instance_dict.clear()
    # A runner's logger is named by the second: a later test in it would write to the earlier one's
    # captured output.
    MMLogger._instance_dict.clear()
    SegLocalVisualizer._instance_dict.clear()  # it would write to an earlier test's folder
    init_default_scope('mmseg')


@pytest.fixture(scope='session')
def root():
    return ROOT


@pytest.fixture(scope='session')
def version():
    return mmseg_eff.__version__


@pytest.fixture(scope='session')
def shared():
    """Folder of the authors' weights, their logits and CamVid; see CONTRIBUTING.md."""
    if not SHARED.is_dir():
        pytest.skip(f'{SHARED} is absent (set MMSEG_EFF_SHARED): official weights and logits')
    return SHARED


@pytest.fixture
def official_weights(shared, tmp_path, monkeypatch):
    """The cache of published weights, empty, with the authors' files in a folder as the mirror."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(MIRROR, str(shared / 'checkpoints'))
    return tmp_path / 'cache'


@pytest.fixture(scope='session')
def toy_root(tmp_path_factory):
    """A data folder with a tiny toystreet data set in it."""
    root = tmp_path_factory.mktemp('data')
    make_toy_street(root / 'toystreet', num_train=4, num_val=2, size=(64, 128))
    return root


@pytest.fixture
def data_root(toy_root, monkeypatch):
    """The same folder, found by the configs."""
    monkeypatch.setenv('MMSEG_EFF_DATA', str(toy_root))
    return toy_root


@pytest.fixture
def make_image():
    def make(path, height=48, width=64):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        assert cv2.imwrite(str(path), image)
        return path

    return make
