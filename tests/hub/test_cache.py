"""Weights by name, from the folder of the authors' files as a mirror."""

import json

import numpy as np
import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch.nn import functional as F

import mmseg_eff
from mmseg_eff.converters import load_checkpoint
from mmseg_eff.errors import InputError
from mmseg_eff.hub import find, get, published, resolve, weights_at
from mmseg_eff.hub.cache import VARIABLE, converted_path, original_path, shipped_path
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


def logits_at(model, inputs, size):
    """What a model predicts before its data preprocessor, resized as the official code does."""
    with torch.inference_mode():
        logits = model.decode_head(model.extract_feat(inputs))
    return F.interpolate(logits, size, mode='bilinear', align_corners=True)


@pytest.mark.parametrize('row', OFFICIAL, ids=lambda row: row.name)
def test_official_weights_give_the_official_labels(row, shared, mirror):
    """Each name loads strictly; nine have the logits of the authors' own code."""
    model = mmseg_eff.load_model(row.name, device='cpu')
    assert load_checkpoint(get(row.name))['meta']['source']['sha256'] == row.sha256
    manifest = json.loads((shared / 'parity/manifest.json').read_text())
    fixtures = {facts.get('checkpoint_sha256'): name for name, facts in manifest.items()}
    if row.sha256 in fixtures:
        data = np.load(shared / f'parity/{fixtures.pop(row.sha256)}.npz')
        for case in (0, 1):
            expected = torch.from_numpy(data[f'logits{case}'])
            inputs = torch.from_numpy(data[f'input{case}'])
            logits = logits_at(model, inputs, expected.shape[2:])
            assert torch.equal(logits.argmax(1), expected.argmax(1))


def test_nine_names_have_official_logits(shared):
    manifest = json.loads((shared / 'parity/manifest.json').read_text())
    given = {facts['checkpoint_sha256'] for facts in manifest.values() if 'checkpoint' in facts}
    assert len(given & {row.sha256 for row in OFFICIAL}) == 9


@pytest.mark.slow
@pytest.mark.parametrize('row', OFFICIAL, ids=lambda row: row.name)
def test_official_weights_label_a_street(row, shared, mirror):
    """The middle of the photo, a bit above its lower edge, is road; VOC's classes have none."""
    folder = 'camvid/val' if row.dataset == 'CamVid' else 'cityscapes_sample'
    photo = sorted((shared / 'data' / folder).iterdir())[0]
    model = mmseg_eff.load_model(row.name, device='cpu')
    prediction = next(mmseg_eff.predict(model, photo))
    height, width = prediction.labels.shape
    label = prediction.labels[int(height * 0.7), width // 2]
    expected = 'background' if 'VOC' in row.dataset else 'road'
    assert model.dataset_meta['classes'][label].casefold() == expected
    assert len(np.unique(prediction.labels)) > ('VOC' not in row.dataset)


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


def test_paths_of_published_weights():
    for name in ('camvid', 'espnet-p2q8_cityscapes'):
        weights = find(name)
        path = shipped_path(weights) or converted_path(name)
        assert weights_at(path) == weights
    assert weights_at(original_path('espnet-p2q8_cityscapes')) is None
    assert weights_at('camvid.safetensors') is None
