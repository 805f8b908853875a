import pytest
import torch
from helpers import TINY_XCEPTION, assert_denser, count_parameters
from mmcv.cnn import ConvModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from mmseg_eff.models.backbones.xception import ARCHS, Unit, Xception, XceptionModule
from mmseg_eff.models.layers import he_fan_out_

PARAMETERS = {'41': 24_920_560, '65': 37_867_312, '71': 40_289_736}
CLASSIFIERS = {'41': 26.970, '65': 39.916, '71': 42.339}  # M, with 1000 classes: timm
# Of every unit, by the authors' rule: the unit that loses its stride keeps the old dilation.
DILATIONS = {
    ('41', 32): [1] * 3 + [1] * 8 + [1, 1],
    ('41', 16): [1] * 3 + [1] * 8 + [1, 2],
    ('41', 8): [1] * 3 + [2] * 8 + [2, 4],
    ('65', 16): [1] * 3 + [1] * 16 + [1, 2],
    ('65', 8): [1] * 3 + [2] * 16 + [2, 4],
    ('71', 16): [1] * 5 + [1] * 16 + [1, 2],
    ('71', 8): [1] * 5 + [2] * 16 + [2, 4],
}
STRIDES = {  # of the units; 71's second and fourth have none by design
    ('41', 32): [2, 2, 2] + [1] * 8 + [2, 1],
    ('41', 16): [2, 2, 2] + [1] * 8 + [1, 1],
    ('41', 8): [2, 2, 1] + [1] * 8 + [1, 1],
    ('65', 16): [2, 2, 2] + [1] * 16 + [1, 1],
    ('65', 8): [2, 2, 1] + [1] * 16 + [1, 1],
    ('71', 16): [2, 1, 2, 1, 2] + [1] * 16 + [1, 1],
    ('71', 8): [2, 1, 2, 1, 1] + [1] * 16 + [1, 1],
}
NOMINAL_STRIDES = (4, 8, 16, 32)  # of the levels


@pytest.fixture
def tiny(monkeypatch):
    """Builder of a network of a few channels, with every kind of unit."""
    monkeypatch.setitem(ARCHS, 'tiny', TINY_XCEPTION)

    def build(**kwargs) -> Xception:
        net = Xception('tiny', **kwargs)
        he_fan_out_(net)  # larger values than the authors' initialisation
        return net

    return build


def build(arch: str = '65', **kwargs) -> Xception:
    with torch.device('meta'):
        return Xception(arch, **kwargs).eval()


@pytest.mark.parametrize('arch', PARAMETERS)
def test_parameters_are_the_published_ones(arch):
    net = build(arch)
    assert count_parameters(net) == PARAMETERS[arch]
    assert (count_parameters(net) + 2049 * 1000) / 1e6 == pytest.approx(CLASSIFIERS[arch], abs=1e-3)
    assert net.out_channels == [256, 728, 728, 2048]


@pytest.mark.parametrize(
    'arch, output_stride, size, classes, giga',  # DeepLabv3+; the authors' 54.17 and 418.64 G
    [
        ('41', 16, (513, 513), 21, 40.01),
        ('65', 16, (513, 513), 21, 54.04),
        ('65', 8, (513, 513), 21, 176.85),
        ('65', 16, (1025, 2049), 19, 418.38),
        ('71', 16, (513, 513), 21, 66.07),
    ],
)
def test_multiply_adds_with_the_head_of_deeplabv3plus(arch, output_stride, size, classes, giga):
    net = build(arch, output_stride=output_stride)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        maps = net(torch.empty(1, 3, *size, device='meta'))
    low, high = (maps[i].shape[-2:].numel() for i in (0, 3))
    pooled = 2048 * 256
    aspp = 2048 * 256 + 3 * (9 * 2048 + 2048 * 256) + 5 * 256 * 256
    decoder = 256 * 48 + 9 * 304 + 304 * 256 + 9 * 256 + 256 * 256 + 256 * classes
    total = counter.get_total_flops() / 2 + pooled + high * aspp + low * decoder
    assert total / 1e9 == pytest.approx(giga, rel=3e-3)


@pytest.mark.parametrize('arch, output_stride', DILATIONS)
def test_dilation_of_every_layer(arch, output_stride):
    units = build(arch, output_stride=output_stride).units
    convs = [[conv.depthwise_conv.conv for conv in unit.convs] for unit in units]
    for unit, dilation in zip(convs, DILATIONS[arch, output_stride], strict=True):
        assert [conv.dilation for conv in unit] == [conv.padding for conv in unit]
        assert [conv.dilation for conv in unit] == [(dilation, dilation)] * 3
    strides = [[conv.stride[0] for conv in unit] for unit in convs]
    assert strides == [[1, 1, stride] for stride in STRIDES[arch, output_stride]]


@pytest.mark.parametrize(
    'output_stride, rates', [(32, [1, 2, 4]), (16, [2, 4, 8]), (8, [4, 8, 16])]
)
def test_multi_grid_is_relative_and_of_the_last_unit_only(output_stride, rates):
    net = build(output_stride=output_stride, multi_grid=(1, 2, 4))
    plain = build(output_stride=output_stride)
    dilations, plain_dilations = (
        [conv.depthwise_conv.conv.dilation[0] for unit in x.units for conv in unit.convs]
        for x in (net, plain)
    )
    assert dilations[-3:] == rates
    assert dilations[:-3] == plain_dilations[:-3]


@pytest.mark.parametrize('arch', sorted(ARCHS))
def test_weights_fit_any_output_stride(arch):
    """Also where a unit without its stride could do without its 1x1 skip convolution."""
    keys = {
        output_stride: set(build(arch, output_stride=output_stride).state_dict())
        for output_stride in (8, 16, 32)
    }
    assert keys[8] == keys[16] == keys[32]


@pytest.mark.parametrize('output_stride', [8, 16])
@pytest.mark.parametrize('size', [(64, 96), (65, 83)])
def test_dilation_gives_the_strided_values_and_those_between(tiny, output_stride, size):
    strided, dense = tiny(output_stride=32).eval(), tiny(output_stride=output_stride).eval()
    dense.load_state_dict(strided.state_dict())
    assert_denser(strided, dense, torch.randn(1, 3, *size), NOMINAL_STRIDES, output_stride)


@pytest.mark.parametrize('output_stride', [8, 16, 32])
@pytest.mark.parametrize('size', [(64, 96), (33, 57), (1, 1)])
def test_sizes_are_rounded_up(tiny, output_stride, size):
    net = tiny(output_stride=output_stride).eval()
    maps = net(torch.zeros(1, 3, *size))
    assert net.out_channels == [12, 20, 24, 40]
    for x, channels, nominal in zip(maps, net.out_channels, NOMINAL_STRIDES, strict=True):
        stride = min(nominal, max(output_stride, 4))
        assert tuple(x.shape[1:]) == (channels, *(-(-side // stride) for side in size))


def plain_conv(x: Tensor, module: ConvModule) -> Tensor:
    conv = module.conv
    x = F.conv2d(x, conv.weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)
    return x * (1 + 1e-3) ** -0.5  # a fresh BN in evaluation


def plain_separable(x: Tensor, convs: nn.Module, is_relu_inside: bool) -> Tensor:
    for conv in (convs.depthwise_conv, convs.pointwise_conv):
        x = plain_conv(x, conv)
        x = x.clamp(min=0) if is_relu_inside else x
    return x


@pytest.mark.parametrize('skip', ['conv', 'sum', 'none'])
def test_unit_equals_plain_tensor_code(skip):
    """Fig. 4; ReLU before every convolution, or after its two parts where nothing is added."""
    stride = 2 if skip == 'conv' else 1
    bn = dict(type='BN', eps=1e-3)
    unit = XceptionModule(
        5, Unit((6, 7, 5), stride, skip), stride=stride, dilations=(1, 2, 3), norm_cfg=bn
    ).eval()
    he_fan_out_(unit)
    x = torch.randn(2, 5, 9, 10)
    y, seconds = x, None
    for index, convs in enumerate(unit.convs):
        y = plain_separable(y if skip == 'none' else y.clamp(min=0), convs, skip == 'none')
        seconds = y if index == 1 else seconds
    if skip == 'sum':
        y = y + x
    elif skip == 'conv':
        y = y + plain_conv(x, unit.skip)
    out, tap = unit(x)
    torch.testing.assert_close(out, y)
    torch.testing.assert_close(tap, seconds)


def test_low_level_maps_are_signed_and_the_last_is_not(tiny):
    *maps, last = tiny().eval()(torch.randn(1, 3, 64, 64))
    assert all((x < 0).any() for x in maps)
    assert (last >= 0).all() and (last > 0).any()


def test_initialisation_and_norm_are_the_authors(monkeypatch):
    monkeypatch.setitem(ARCHS, 'tiny', TINY_XCEPTION)
    net = Xception('tiny')
    weights = torch.cat(
        [m.weight.detach().flatten() for m in net.modules() if isinstance(m, nn.Conv2d)]
    )
    assert weights.abs().max() <= 0.18
    assert weights.std() == pytest.approx(0.09 * 0.8796, rel=0.02)  # of a normal cut at 2 sigma
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 3e-4)}


@pytest.mark.parametrize('out_indices', [(0, 1, 2, 3), (3, 0), (1, 2)])
def test_gradients_reach_every_parameter(tiny, out_indices):
    net = tiny(out_indices=out_indices, in_channels=4)
    sum(x.square().mean() for x in net(torch.randn(2, 4, 64, 64))).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_levels_asked_for(tiny):
    net, image = tiny().eval(), torch.randn(1, 3, 33, 33)
    maps = net(image)
    for out_indices, num_units in (((2, 0), 4), ((3, 1), 6)):
        few = tiny(out_indices=out_indices).eval()
        assert len(few.units) == num_units
        few.load_state_dict(net.state_dict(), strict=num_units == 6)
        assert few.out_channels == [net.out_channels[i] for i in out_indices]
        assert all(map(torch.equal, few(image), [maps[i] for i in out_indices]))


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(arch='101'), r"arch must be one of \['41', '65', '71'\], got '101'"),
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(out_indices=(4,)), r'out_indices must be chosen from \(0, 1, 2, 3\), got \(4,\)'),
        (dict(out_indices=(0, 1)), r'out_indices must have 2 or 3 among them, got \(0, 1\)'),
        (dict(out_indices=()), 'out_indices must be chosen'),
        (dict(multi_grid=(1, 2)), r'multi_grid must be 3 factors of at least 1, got \(1, 2\)'),
        (dict(multi_grid=(1, 0, 1)), r'multi_grid must be 3 factors of at least 1, got \(1, 0'),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='Xception', **kwargs))
