import pytest
import torch
from helpers import official

import mmseg_eff
from mmseg_eff.converters import load_checkpoint
from mmseg_eff.errors import InputError


def test_conversion(tmp_path, capsys):
    source, target = tmp_path / 'official.pth', tmp_path / 'ours.safetensors'
    weights = official(1, 12, 19)
    weights['br.bias'].fill_(1e-39)
    torch.save(weights, source)
    converted = mmseg_eff.convert_weights('espnet', source, target)
    assert converted.path == target
    assert converted.model['num_classes'] == 12 and converted.zeroed_denormals == 12
    assert converted.preprocessing['size'] == (360, 480)
    assert load_checkpoint(target)['meta']['source'] == converted.meta['source']
    assert capsys.readouterr() == ('', '')


@pytest.mark.parametrize(
    ('network', 'arguments', 'message'),
    [
        ('alexnet', {}, "network must be one of efficientnet, espnet, .*, got 'alexnet'"),
        ('espnet', dict(padding='same'), "padding is for efficientnet only, got 'same' for espnet"),
    ],
)
def test_wrong_arguments(tmp_path, network, arguments, message):
    with pytest.raises(InputError, match=f'^{message}'):
        mmseg_eff.convert_weights(network, 'official.pth', tmp_path / 'ours.pth', **arguments)
    assert not (tmp_path / 'ours.pth').exists()
