import pytest
import torch
from torch import nn

from mmseg_eff.models.layers import he_fan_out_


@pytest.mark.parametrize(
    ('conv', 'fan_out'),
    [
        pytest.param(nn.Conv2d(64, 48, 3), 48 * 9, id='dense'),
        pytest.param(nn.Conv2d(64, 48, 1, groups=4), 12, id='grouped'),
        pytest.param(nn.Conv2d(900, 900, 3, groups=900), 9, id='depth-wise'),
    ],
)
def test_he_initialisation_is_by_the_fan_out_of_a_group(conv, fan_out):
    conv.bias.data.fill_(1)
    he_fan_out_(nn.Sequential(conv))
    assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)
    assert conv.weight.mean().abs() < 0.1 * conv.weight.std()
    assert torch.equal(conv.bias, torch.zeros_like(conv.bias))
