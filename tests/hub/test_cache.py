"""Weights by name, from the folder of the authors' files as a mirror."""

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.registry import MODELS

from mmseg_eff.converters import load_checkpoint, load_weights
from mmseg_eff.errors import InputError
from mmseg_eff.hub import get, published, resolve
from mmseg_eff.hub.cache import VARIABLE, original_path
from mmseg_eff.hub.download import MIRROR

OFFICIAL = [row for row in published().values() if row.config and row.converter]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / 'cache'))
    monkeypatch.setenv(MIRROR, str(tmp_path / 'nothing here'))
    return tmp_path / 'cache'


@pytest.fixture
def mirror(shared, monkeypatch):
    monkeypatch.setenv(MIRROR, str(shared / 'checkpoints'))


@pytest.mark.parametrize('row', OFFICIAL, ids=lambda row: row.name)
def test_official_weights_load_into_their_config(row, root, mirror):
    model = MODELS.build(Config.fromfile(root / f'configs/{row.config}.py').model)
    meta = load_weights(model, get(row.name))
    assert meta['source']['sha256'] == row.sha256


def test_cache_is_enough(mirror, monkeypatch, cache):
    path = get('hub:espnet-p2q3_cityscapes')
    monkeypatch.setenv(MIRROR, str(cache / 'nothing here'))
    assert get('espnet-p2q3_cityscapes') == path
    assert resolve('hub:espnet-p2q3_cityscapes') == str(path)
    assert resolve('checkpoints/mine.pth') == 'checkpoints/mine.pth'


def test_a_flipped_byte_is_refused(shared, tmp_path, monkeypatch):
    name = 'espnet/espnet_p_2_q_3.pth'
    content = bytearray((shared / 'checkpoints' / name).read_bytes())
    content[5000] ^= 1
    (tmp_path / 'mirror/espnet').mkdir(parents=True)
    (tmp_path / 'mirror' / name).write_bytes(content)
    monkeypatch.setenv(MIRROR, str(tmp_path / 'mirror'))
    with pytest.raises(InputError, match='is not the file expected: its SHA-256'):
        get('espnet-p2q3_cityscapes')
    assert not original_path('espnet-p2q3_cityscapes').exists()


def test_without_a_network_the_error_says_where_to_put_it():
    with pytest.raises(InputError) as raised:
        get('espnet-p2q3_cityscapes')
    assert str(original_path('espnet-p2q3_cityscapes')) in str(raised.value)


def test_file_put_there_by_hand(shared):
    place = original_path('espnet-p2q3_cityscapes')
    place.parent.mkdir(parents=True)
    place.write_bytes((shared / 'checkpoints/espnet/espnet_p_2_q_3.pth').read_bytes())
    assert get('espnet-p2q3_cityscapes').is_file()


def test_mmengine_reads_them(mirror):
    checkpoint = CheckpointLoader.load_checkpoint('hub:espnet-p2q8_camvid')
    assert checkpoint['meta']['model']['num_classes'] == 12
    assert all(isinstance(value, torch.Tensor) for value in checkpoint['state_dict'].values())


def test_encoder_from_an_installed_package(monkeypatch):
    monkeypatch.delenv(MIRROR)
    meta = load_checkpoint(get('efficientnet-lite0_imagenet'))['meta']
    assert meta['model']['arch'] == 'lite0'
