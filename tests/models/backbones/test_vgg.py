from itertools import pairwise

import pytest
import torch
from helpers import count_parameters
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional as F

from mmseg_eff.models.backbones.vgg import AtrousVGG
from mmseg_eff.models.layers import he_fan_out_

DILATIONS = {  # of the convolutions of the five stages
    32: [1] * 13,
    16: [1] * 13,
    8: [1] * 10 + [2] * 3,
}
POOL_STRIDES = {32: [2, 2, 2, 2, 2], 16: [2, 2, 2, 2, 1], 8: [2, 2, 2, 1, 1]}
# Of torchvision's vgg16.features: positions of the convolutions, and (in, out) channels of each.
POSITIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
WIDTHS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
CONVS = dict(zip(POSITIONS, pairwise(WIDTHS), strict=True))
NOMINAL_STRIDES = (2, 4, 8, 16, 32)


def build(**kwargs) -> AtrousVGG:
    with torch.device('meta'):
        return AtrousVGG(**kwargs)


@pytest.fixture(scope='module')
def strided():
    torch.manual_seed(0)
    net = AtrousVGG(output_stride=32)
    he_fan_out_(net)
    return net


def with_weights_of(net: AtrousVGG, **kwargs) -> AtrousVGG:
    other = build(**kwargs)
    other.load_state_dict(net.state_dict(), assign=True)
    return other


@pytest.mark.parametrize('output_stride', DILATIONS)
def test_dilation_of_every_layer(output_stride):
    layers = build(output_stride=output_stride).features
    convs = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    pools = [layer for layer in layers if isinstance(layer, nn.MaxPool2d)]
    assert [conv.dilation[0] for conv in convs] == DILATIONS[output_stride]
    assert all(conv.padding == conv.dilation for conv in convs)
    assert [pool.stride for pool in pools] == POOL_STRIDES[output_stride]
    assert {(pool.kernel_size, pool.padding, pool.dilation) for pool in pools} == {(3, 1, 1)}


def test_weights_are_named_as_torchvisions():
    net = build()
    expected = {}
    for position, (inputs, outputs) in CONVS.items():
        expected[f'features.{position}.weight'] = (outputs, inputs, 3, 3)
        expected[f'features.{position}.bias'] = (outputs,)
    assert {key: tuple(value.shape) for key, value in net.state_dict().items()} == expected
    assert count_parameters(net) == 14_714_688  # 138357544 of torchvision's less the classifier


@pytest.mark.parametrize('output_stride', [8, 16])
@pytest.mark.parametrize('size', [(64, 96), (33, 57)])
def test_dilation_gives_the_strided_values_and_those_between(strided, output_stride, size):
    """Up to the fifth pool, which the authors do not dilate at output stride 8."""
    dense = with_weights_of(strided, output_stride=output_stride)
    image = torch.randn(1, 3, *size)
    with torch.no_grad():
        maps = list(zip(strided(image), dense(image), NOMINAL_STRIDES, strict=True))
        if output_stride == 8:
            maps[4] = (strided.features[:-1](image), dense.features[:-1](image), 16)
    for x, y, nominal in maps:
        step = max(1, nominal // output_stride)
        assert x.std() > 0.1
        torch.testing.assert_close(y[..., ::step, ::step], x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('output_stride', [8, 16, 32])
@pytest.mark.parametrize('size', [(64, 96), (33, 57), (1, 1)])
def test_sizes_are_rounded_up(output_stride, size):
    net = build(output_stride=output_stride)
    assert net.out_channels == [64, 128, 256, 512, 512]
    maps = net(torch.empty(1, 3, *size, device='meta'))
    for x, channels, nominal in zip(maps, net.out_channels, NOMINAL_STRIDES, strict=True):
        stride = min(nominal, output_stride)
        assert tuple(x.shape[1:]) == (channels, *(-(-side // stride) for side in size))


def test_average_pool_is_of_3x3_pixels(strided):
    image = torch.randn(1, 3, 40, 48)
    with torch.no_grad():
        fourth, fifth = with_weights_of(strided, out_indices=(3, 4))(image)
        same, averaged = with_weights_of(strided, out_indices=(3, 4), use_average_pool=True)(image)
    expected = F.conv2d(fifth, torch.full((512, 1, 3, 3), 1 / 9), padding=1, groups=512)
    torch.testing.assert_close(averaged, expected)
    assert torch.equal(fourth, same)


def test_pretrained_file_of_torchvision_loads(tmp_path):
    """The first two stages of one, which has a classifier too."""
    weights = {'classifier.6.bias': torch.rand(1000)}
    for position in (0, 2, 5, 7):
        inputs, outputs = CONVS[position]
        weights[f'features.{position}.weight'] = torch.rand(outputs, inputs, 3, 3)
        weights[f'features.{position}.bias'] = torch.rand(outputs)
    torch.save(weights, tmp_path / 'vgg16.pth')
    net = AtrousVGG(
        out_indices=(1,), init_cfg=dict(type='Pretrained', checkpoint=f'{tmp_path}/vgg16.pth')
    )
    net.init_weights()
    assert len(net.state_dict()) == 8
    assert all(torch.equal(value, weights[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize('out_indices, num_layers', [((0,), 5), ((2, 1), 17)])
def test_layers_after_the_last_map_are_not_built(out_indices, num_layers):
    net = AtrousVGG(out_indices=out_indices)
    assert len(net.features) == num_layers
    maps = net(torch.randn(1, 3, 17, 19))
    assert [x.shape[1] for x in maps] == net.out_channels == [64 * 2**i for i in out_indices]
    sum(x.square().mean() for x in maps).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(out_indices=(5,)), r'out_indices must be chosen from \(0, 1, 2, 3, 4\), got \(5,\)'),
        (dict(out_indices=()), 'out_indices must be chosen'),
        (dict(use_average_pool=True, out_indices=(3,)), r'needs 4 among out_indices, got \(3,\)'),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='AtrousVGG', **kwargs))
