import pytest
import torch
from helpers import assert_denser, count_parameters
from mmcv.cnn import ConvModule
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional as F

from mmseg_eff.models.backbones.efficientnet import ARCHS, EfficientNet, round_channels, scale
from mmseg_eff.models.layers.mbconv import MBConv, SqueezeExcitation, same_conv

# Channels of the stem and the stages, blocks of the stages; ESeg Table 1 scaled by Google's rules.
SCALED = {
    'eseg-lite-s': (16, [8, 16, 16, 32, 48, 80, 128], [1, 2, 2, 2, 2, 3, 1]),
    'eseg-lite-m': (24, [16, 16, 24, 48, 64, 112, 192], [1, 2, 2, 3, 3, 4, 1]),
    'eseg-lite-l': (32, [16, 24, 40, 80, 112, 192, 320], [1, 2, 2, 3, 3, 4, 1]),
    'eseg-s': (32, [16, 24, 40, 80, 112, 192, 320], [2, 3, 3, 4, 4, 5, 2]),
    'eseg-m': (48, [24, 32, 56, 112, 160, 272, 448], [2, 4, 4, 6, 6, 8, 2]),
    'eseg-l': (64, [32, 48, 80, 160, 224, 384, 640], [4, 7, 7, 10, 10, 13, 4]),
}
# Parameters with the classifier, of the published ImageNet networks (Keras applications; M of
# EfficientNet-Lite's README).
CLASSIFIERS = {
    'b0': 5_288_548,
    'b1': 7_794_184,
    'b2': 9_109_994,
    'b3': 12_233_232,
    'b4': 19_341_616,
    'b5': 30_389_784,
    'b6': 43_040_704,
    'b7': 66_347_960,
}
LITE_CLASSIFIERS = {'lite0': 4.7, 'lite1': 5.4, 'lite2': 6.1, 'lite3': 8.2, 'lite4': 13.0}


def build(arch='b0', **kwargs):
    with torch.device('meta'):
        return EfficientNet(arch, **kwargs)


def small(arch, **kwargs):
    return EfficientNet(arch, width=0.25, depth=0.3, **kwargs)


@pytest.mark.parametrize('arch', SCALED)
def test_esegs_encoders_are_scaled_as_in_the_paper(arch):
    stem, channels, blocks = SCALED[arch]
    net = build(arch)
    assert net.stem.conv.out_channels == stem
    assert [len(stage) for stage in net.stages] == blocks
    assert [stage.out_channels for stage in scale(ARCHS[arch], None, None)[1]] == channels
    assert net.out_channels == [channels[i] for i in (0, 1, 2, 4, 6)]


@pytest.mark.parametrize('arch', CLASSIFIERS)
def test_parameters_are_the_published_ones(arch):
    features = round_channels(1280, ARCHS[arch].width)
    net = build(arch)
    head = features * (net.out_channels[-1] + 2) + 1000 * (features + 1)
    assert count_parameters(net) + head == CLASSIFIERS[arch]


@pytest.mark.parametrize('arch', LITE_CLASSIFIERS)
def test_lite_parameters_are_the_published_ones(arch):
    net = build(arch)
    head = 1280 * (net.out_channels[-1] + 2) + 1000 * 1281
    assert (count_parameters(net) + head) / 1e6 == pytest.approx(LITE_CLASSIFIERS[arch], abs=0.05)


@pytest.mark.parametrize(
    ('arch', 'parameters'),
    [('eseg-s', 6_101_024), ('eseg-m', 16_742_216), ('eseg-l', 62_143_440)],
)
def test_encoders_of_eseg_are_b1_b4_and_b7(arch, parameters):
    assert count_parameters(build(arch)) == parameters


def test_kinds_of_blocks():
    for arch, activation in (('b0', nn.SiLU), ('lite0', nn.ReLU6), ('eseg-lite-s', nn.ReLU)):
        net = build(arch)
        kinds = {type(m.activate) for m in net.modules() if isinstance(m, ConvModule) and m.act_cfg}
        assert kinds == {activation}
        gates = [m for m in net.modules() if isinstance(m, SqueezeExcitation)]
        assert len(gates) == (sum(map(len, net.stages)) if arch == 'b0' else 0)
    first = net.stages[0][0]  # without expansion: one 3x3 convolution
    assert [m.kernel_size for m in first.modules() if isinstance(m, nn.Conv2d)] == [(3, 3)]
    assert build('b0').stages[1][0].se.reduce.out_channels == 4  # a quarter of the input's 16


@pytest.mark.parametrize('padding', ['same', 'symmetric'])
@pytest.mark.parametrize('size', [(64, 96), (33, 57), (1, 1)])
def test_levels_are_halved_and_rounded_up(padding, size):
    net = small('b0', padding=padding).eval()
    maps = net(torch.rand(1, 3, *size))
    expected = [
        (channels, -(-size[0] // 2**i), -(-size[1] // 2**i))
        for i, channels in enumerate(net.out_channels, start=1)
    ]
    assert [tuple(x.shape[1:]) for x in maps] == expected


@pytest.mark.parametrize('kernel_size', [3, 5])
@pytest.mark.parametrize('size', [7, 8])
def test_same_padding_is_tensorflows(kernel_size, size):
    conv = same_conv(
        2, 3, kernel_size, stride=2, padding='same', norm_cfg=dict(type='BN'), act_cfg=None
    )
    x = torch.rand(1, 2, size, size)
    total = (-(-size // 2) - 1) * 2 + kernel_size - size
    before, after = total // 2, total - total // 2
    assert (before != after) == (size == 8)
    padded = F.pad(x, (before, after, before, after))
    torch.testing.assert_close(conv.conv(x), F.conv2d(padded, conv.conv.weight, stride=2))


@pytest.mark.parametrize('output_stride', [8, 16])
@pytest.mark.parametrize('size', [(64, 96), (61, 83)])
def test_dilation_gives_the_strided_values_and_those_between(output_stride, size):
    """Without gates, which see the whole map, the strided values are some of the dense ones."""
    strided = small('lite0', padding='symmetric').eval()
    dense = small('lite0', padding='symmetric', output_stride=output_stride).eval()
    dense.load_state_dict(strided.state_dict())
    assert_denser(strided, dense, torch.randn(1, 3, *size), (2, 4, 8, 16, 32), output_stride)


def test_gates_are_sigmoids_of_the_pooled_map():
    gate = SqueezeExcitation(4, 2)
    x = torch.rand(2, 4, 5, 3)
    hidden = F.silu(F.linear(x.mean((2, 3)), gate.reduce.weight.flatten(1), gate.reduce.bias))
    factors = torch.sigmoid(F.linear(hidden, gate.expand.weight.flatten(1), gate.expand.bias))
    torch.testing.assert_close(gate(x), x * factors[..., None, None])


@pytest.mark.parametrize('arch', ['b0', 'lite0', 'eseg-lite-s'])
def test_gradients_reach_every_parameter(arch):
    net = small(arch)
    sum(x.square().mean() for x in net(torch.randn(2, 3, 64, 64))).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_drop_path_grows_and_is_off_at_inference():
    net = EfficientNet('b0', width=0.25, drop_path_rate=0.2)
    rates = [getattr(m.drop_path, 'drop_prob', 0) for m in net.modules() if isinstance(m, MBConv)]
    assert rates == pytest.approx([0.2 * i / 16 for i in range(16)])
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(net.eval()(image)[-1], net(image)[-1])


def test_stages_after_the_last_level_are_not_built():
    net = build('b0', out_indices=(0, 3))
    assert len(net.stages) == 5
    assert net.out_channels == [16, 112]


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(arch='b9'), r"arch must be one of \['b0', .*'eseg-lite-l'\], got 'b9'"),
        (dict(out_indices=(5,)), r'out_indices must be chosen from \(0, 1, 2, 3, 4\), got'),
        (dict(out_indices=()), 'out_indices must be chosen'),
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(padding='valid'), r"padding must be one of \('same', 'symmetric'\), got 'valid'"),
        (dict(width=0), 'width must be above 0, got 0'),
        (dict(depth=-1.0), r'depth must be above 0, got -1\.0'),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='EfficientNet', **kwargs))
