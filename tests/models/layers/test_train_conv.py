import pytest
import torch
from torch import nn

from mmseg_eff.models.layers import TrainConv2d
from mmseg_eff.models.layers.train_conv import FastBackwardConv

GEOMETRIES = (  # kernel, stride, dilation
    (3, 1, 2),
    (3, 1, 3),
    (5, 1, 2),
    (3, 2, 2),
    (3, 2, 3),
    (3, 2, 4),
    (3, 4, 2),
    (3, 3, 6),
)


def depthwise(channels, geometry):
    side, stride, dilation = geometry
    padding = dilation * (side - 1) // 2
    return TrainConv2d(channels, channels, side, stride, padding, dilation, groups=channels)


def channels_last(*shape):
    return torch.randn(*shape, dtype=torch.double).to(memory_format=torch.channels_last)


def gradients(layer, x, factor):
    x = x.detach().requires_grad_()
    layer.zero_grad()
    out = layer(x)
    (out * factor).sum().backward()
    return [out.detach(), x.grad, *(p.grad for p in layer.parameters())]


def check(layer, x):
    """Value and gradients against torch's, and that the own ones were used."""
    layer.double()
    assert 'FastBackwardConv' in str(layer(x.requires_grad_()).grad_fn)
    factor = torch.randn_like(layer(x))
    ours = gradients(layer, x, factor)
    layer.__class__ = nn.Conv2d
    theirs = gradients(layer, x, factor)
    assert torch.equal(ours[0], theirs[0])
    for given, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(given, wanted)
    assert ours[1].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('geometry', GEOMETRIES)
@pytest.mark.parametrize('size', [(7, 9), (12, 12), (1, 5), (3, 2)])
def test_depthwise_gradients_are_torchs(geometry, size):
    check(depthwise(4, geometry), channels_last(2, 4, *size))


def test_grouped_pointwise_gradients_are_torchs():
    check(TrainConv2d(48, 32, 1, groups=2), channels_last(2, 48, 5, 3))


@pytest.mark.parametrize('geometry', GEOMETRIES[:5])
def test_gradcheck_depthwise(geometry):
    layer = depthwise(2, geometry).double()
    x = channels_last(1, 2, 5, 4).requires_grad_()
    arguments = x, layer.weight, layer.bias, layer.stride[0], layer.padding[0], layer.dilation[0], 2
    assert torch.autograd.gradcheck(FastBackwardConv.apply, arguments)


def test_gradcheck_pointwise():
    layer = TrainConv2d(6, 4, 1, groups=2).double()
    x = channels_last(2, 6, 3, 2).requires_grad_()
    arguments = x, layer.weight, layer.bias, 1, 0, 1, 2
    assert torch.autograd.gradcheck(FastBackwardConv.apply, arguments)


@pytest.mark.parametrize('of_input', [True, False])
def test_only_the_gradients_wanted(of_input):
    layer, x = depthwise(4, (3, 1, 2)).double(), channels_last(1, 4, 6, 6)
    (x if of_input else layer).requires_grad_(True)
    (layer if of_input else x).requires_grad_(False)
    layer(x).sum().backward()
    assert (x.grad is not None) == of_input
    assert (layer.weight.grad is None) == of_input


@pytest.mark.parametrize(
    ('layer', 'x'),
    [
        (TrainConv2d(4, 4, 3, padding=2, dilation=2, groups=4), torch.randn(2, 4, 8, 8)),
        (TrainConv2d(4, 4, 3, padding=1, groups=4), channels_last(2, 4, 8, 8).float()),
        (TrainConv2d(4, 4, 3, padding=1, dilation=2, groups=4), channels_last(2, 4, 8, 8).float()),
        (TrainConv2d(8, 8, 1, groups=4), channels_last(2, 8, 8, 8).float()),
        (
            TrainConv2d(4, 4, 3, padding=2, dilation=2, groups=4, padding_mode='reflect'),
            channels_last(2, 4, 8, 8).float(),
        ),
    ],
    ids=['NCHW', 'no dilation', 'smaller map', 'few channels', 'reflected'],
)
def test_others_are_left_to_torch(layer, x):
    assert 'FastBackwardConv' not in str(layer(x).grad_fn)


def test_mixed_precision_is_left_to_torch():
    layer, x = depthwise(4, (3, 1, 2)), channels_last(1, 4, 6, 6).float()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16


def test_exports_as_torchs():
    with torch.no_grad():
        layer, x = depthwise(4, (3, 1, 2)), channels_last(1, 4, 6, 6).float()
        graph = torch.export.export(layer.eval(), (x,))
    names = [str(node.target) for node in graph.graph.nodes if node.op == 'call_function']
    assert names == ['aten.conv2d.default']
