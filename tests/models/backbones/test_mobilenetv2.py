import pytest
import torch
from helpers import assert_denser, count_parameters
from mmseg.models.backbones import MobileNetV2
from mmseg.registry import MODELS
from torch.utils.flop_counter import FlopCounterMode

from mmseg_eff.models.backbones.mobilenetv2 import AtrousMobileNetV2
from mmseg_eff.models.layers import he_fan_out_

ALL = tuple(range(7))
# Of the depth-wise convolution of every block, by the authors' rule; a row is a layer.
DILATIONS = {
    32: [[1], [1, 1], [1, 1, 1], [1, 1, 1, 1], [1, 1, 1], [1, 1, 1], [1]],
    16: [[1], [1, 1], [1, 1, 1], [1, 1, 1, 1], [1, 1, 1], [1, 2, 2], [2]],
    8: [[1], [1, 1], [1, 1, 1], [1, 2, 2, 2], [2, 2, 2], [2, 4, 4], [4]],
}
STRIDES = {32: [1, 2, 2, 2, 1, 2, 1], 16: [1, 2, 2, 2, 1, 1, 1], 8: [1, 2, 2, 1, 1, 1, 1]}
NOMINAL_STRIDES = (2, 4, 8, 16, 16, 32, 32)


def small(**kwargs) -> AtrousMobileNetV2:
    net = AtrousMobileNetV2(0.25, **kwargs)
    net.eval()  # mmseg's returns nothing
    return net


def blocks(net: AtrousMobileNetV2) -> list[list]:
    """The depth-wise convolutions, a row a layer."""
    return [[block.conv[-2].conv for block in getattr(net, name)] for name in net.layers]


@pytest.mark.parametrize('output_stride', DILATIONS)
def test_dilation_of_every_block(output_stride):
    rows = blocks(small(output_stride=output_stride))
    assert [[conv.dilation[0] for conv in row] for row in rows] == DILATIONS[output_stride]
    assert all(conv.padding == conv.dilation for row in rows for conv in row)
    strides = [[conv.stride[0] for conv in row] for row in rows]
    expected = [
        [stride] + [1] * (len(row) - 1)
        for stride, row in zip(STRIDES[output_stride], rows, strict=True)
    ]
    assert strides == expected


@pytest.mark.parametrize(
    'width, divisor, output_stride, size, classes, parameters, giga',
    [  # DeepLabv3; the authors' 2.75, 21.27, 0.88 and 2.84 G
        (1.0, 8, 16, (513, 513), 21, 2_113_557, 2.74),
        (1.0, 8, 8, (513, 513), 21, 2_113_557, 8.83),
        (1.0, 8, 16, (1025, 2049), 19, 2_113_043, 21.23),
        (0.5, 1, 16, (513, 513), 21, 697_013, 0.867),
        (0.5, 1, 8, (513, 513), 21, 697_013, 2.82),
    ],
)
def test_parameters_and_multiply_adds_with_the_head_of_deeplabv3(
    width, divisor, output_stride, size, classes, parameters, giga
):
    with torch.device('meta'):
        net = AtrousMobileNetV2(width, divisor=divisor, output_stride=output_stride)
    net.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        last = net(torch.empty(1, 3, *size, device='meta'))[-1]
    pooled = last.shape[1] * 256  # image pooling; beside it one 1x1 convolution, then two more
    head = pooled + 512 * 256 + 256 * classes
    assert count_parameters(net) + pooled + head + 3 * 512 + classes == parameters
    total = counter.get_total_flops() / 2 + pooled + last.shape[-2:].numel() * head
    assert total / 1e9 == pytest.approx(giga, rel=3e-3)


def test_weights_are_mmsegs():
    with torch.device('meta'):
        ours, theirs = AtrousMobileNetV2(), MobileNetV2()
    assert count_parameters(ours) == 1_811_712  # 3504872 of torchvision's less its last two layers
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }


@pytest.mark.parametrize('output_stride', [8, 16])
@pytest.mark.parametrize('size', [(64, 96), (65, 83)])
def test_dilation_gives_the_strided_values_and_those_between(output_stride, size):
    strided = small(output_stride=32, out_indices=ALL)
    dense = small(output_stride=output_stride, out_indices=ALL)
    he_fan_out_(strided)
    dense.load_state_dict(strided.state_dict())
    assert_denser(strided, dense, torch.randn(1, 3, *size), NOMINAL_STRIDES, output_stride)


def test_without_dilation_it_is_mmsegs_network():
    theirs = MobileNetV2(widen_factor=0.25)
    he_fan_out_(theirs)
    theirs.eval()
    ours = small(output_stride=32)
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(1, 3, 64, 64)
    assert all(map(torch.equal, ours(image), theirs(image)))


@pytest.mark.parametrize('output_stride', [8, 16, 32])
@pytest.mark.parametrize('size', [(64, 96), (33, 57), (1, 1)])
def test_sizes_are_rounded_up(output_stride, size):
    net = small(output_stride=output_stride, out_indices=ALL)
    assert net.out_channels == [8, 8, 8, 16, 24, 40, 80]
    maps = net(torch.zeros(1, 3, *size))
    for x, channels, nominal in zip(maps, net.out_channels, NOMINAL_STRIDES, strict=True):
        stride = min(nominal, output_stride)
        assert tuple(x.shape[1:]) == (channels, *(-(-side // stride) for side in size))


@pytest.mark.parametrize(
    'width, divisor, channels',
    [
        (1.0, 8, [16, 24, 32, 64, 96, 160, 320]),
        (0.5, 8, [8, 16, 16, 32, 48, 80, 160]),
        (0.5, 1, [8, 12, 16, 32, 48, 80, 160]),
    ],
)
def test_channels_are_rounded_to_multiples(width, divisor, channels):
    with torch.device('meta'):
        net = AtrousMobileNetV2(width, divisor=divisor, out_indices=ALL)
    assert net.out_channels == channels
    assert net.conv1.conv.out_channels == 32 * width


def test_expanded_tap_is_the_input_of_the_last_projection():
    net, plain = (small(use_expanded_tap=tap, out_indices=(1, 6)) for tap in (True, False))
    plain.load_state_dict(net.state_dict())
    assert (net.out_channels, plain.out_channels) == ([48, 80], [8, 80])
    image = torch.randn(1, 3, 33, 33)
    seen = []
    plain.layer2[1].conv[2].register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))
    last = plain(image)[1]
    tap, ours = net(image)
    assert torch.equal(tap, seen[0]) and torch.equal(ours, last)
    assert tap.shape == (1, 48, 9, 9)


def test_one_level_is_a_tuple_too():
    maps = small(out_indices=(6,))(torch.zeros(1, 3, 32, 32))
    assert isinstance(maps, tuple) and len(maps) == 1


@pytest.mark.parametrize('use_expanded_tap', [False, True])
def test_gradients_reach_every_parameter(use_expanded_tap):
    net = AtrousMobileNetV2(0.25, use_expanded_tap=use_expanded_tap)
    sum(x.square().mean() for x in net(torch.randn(2, 3, 64, 64))).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(widen_factor=0), 'widen_factor must be above 0, got 0'),
        (dict(divisor=0), 'divisor must be at least 1, got 0'),
        (dict(out_indices=(7,)), r'chosen from \(0, 1, 2, 3, 4, 5, 6\), got \(7,\)'),
        (dict(out_indices=()), 'out_indices must be chosen'),
        (dict(use_expanded_tap=True, out_indices=(6,)), r'needs 1 among out_indices, got \(6,\)'),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='AtrousMobileNetV2', **kwargs))
