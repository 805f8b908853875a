import pytest
import torch
from config_files import CONFIGS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS

from mmseg_eff import hub
from mmseg_eff.converters import load_checkpoint
from mmseg_eff.errors import InputError
from mmseg_eff.own_data import networks
from mmseg_eff.own_data.networks import CHOICES, NETWORKS, find_network, find_weights

OWN = CONFIGS / '_base_/own'


def build(base, channels):
    config = Config.fromfile(OWN / f'{base}.py')
    config.model.backbone.in_channels = channels
    if base == 'espnet':
        config.model.decode_head.in_channels = (16, 128 + channels, 256)
    return revert_sync_batchnorm(MODELS.build(config.model)).eval()


@pytest.mark.parametrize('channels', [3, 4])
@pytest.mark.parametrize('name', NETWORKS)
def test_every_network_takes_any_channels(name, channels):
    model = build(NETWORKS[name].base, channels)
    assert model(torch.zeros(1, channels, 64, 96)).shape[:2] == (1, model.num_classes)


@pytest.mark.parametrize('name', ['espnet', 'espnetv2'])
def test_the_authors_weights_load_but_for_the_classes(shared, name, tmp_path, monkeypatch):
    monkeypatch.setenv('MMSEG_EFF_WEIGHTS_URL', str(shared / 'checkpoints'))
    monkeypatch.setenv('MMSEG_EFF_CACHE', str(tmp_path))
    weights, reasons = find_weights(NETWORKS[name])
    assert weights == f'hub:{NETWORKS[name].weights[0]}' and not reasons
    given = {k: v.shape for k, v in load_checkpoint(hub.get(weights))['state_dict'].items()}
    wanted = build(NETWORKS[name].base, 3).state_dict()
    assert [k for k, v in wanted.items() if given.get(k) != v.shape] == []


def test_choices_are_families():
    assert {find_network(name) for name in CHOICES} <= set(NETWORKS.values())
    with pytest.raises(InputError, match=r"must be one of fast, .*, deeplab, got 'unet'"):
        find_network('unet')


def test_without_weights_the_reasons_are_said(monkeypatch):
    def get(name):
        raise InputError(f'{name}: no network')

    monkeypatch.setattr(networks, 'get', get)
    network = NETWORKS['eseg']
    assert find_weights(network) == (None, [f'{name}: no network' for name in network.weights])


def test_the_second_best_weights_are_taken(monkeypatch):
    def get(name):
        if name == networks.STREETS:
            raise InputError('not there')

    monkeypatch.setattr(networks, 'get', get)
    assert find_weights(NETWORKS['deeplab']) == (f'hub:{networks.IMAGENET}', ['not there'])
