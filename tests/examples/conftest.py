"""A photo and exported folders: a small network of random weights, and the one of the package."""

from pathlib import Path

import pytest
from exported import write_export, write_openvino
from recipes import write_photo

import mmseg_eff

NETWORK = 'eseg-lite0_imagenet-pre_1xb8-1.5k_camvid-jpeg-360x480'
FULL_SIZE = (360, 640)


@pytest.fixture
def photo(tmp_path) -> Path:
    return write_photo(tmp_path)


@pytest.fixture
def onnx_folder(tmp_path) -> Path:
    return write_export(tmp_path / 'onnx')


@pytest.fixture
def openvino_folder(tmp_path) -> Path:
    return write_openvino(write_export(tmp_path / 'openvino'))


@pytest.fixture(scope='session')
def full_photo(tmp_path_factory) -> Path:
    return write_photo(tmp_path_factory.mktemp('photo'), FULL_SIZE)


@pytest.fixture(scope='session', params=['onnx', 'openvino'])
def real_export(request, full_photo, tmp_path_factory) -> Path:
    """The shipped network, exported."""
    pytest.importorskip('onnxscript', reason='needs the extra [deploy]')
    folder = tmp_path_factory.mktemp('export') / request.param
    mmseg_eff.export(
        NETWORK, 'hub:camvid', folder, backend=request.param, images=full_photo, threads=1
    )
    return folder
