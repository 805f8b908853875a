import pytest
import torch
from helpers import count_parameters
from plain import conv_norm_relu, separable, with_statistics
from torch.nn import functional as F

from mmseg_eff.models.layers.aspp import ASPP, PooledConv, pair, same_size_conv


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('use_separable', [False, True])
def test_output_is_pooling_1x1_and_atrous_convolutions_projected(use_separable, align_corners):
    net = with_statistics(
        ASPP(
            6,
            4,
            atrous_rates=(1, 2, 3),
            use_separable=use_separable,
            image_pool_size=(5, 4),
            align_corners=align_corners,
        )
    )
    x = torch.randn(2, 6, 7, 9)
    pool, point, *atrous = net.branches
    windows = x.unfold(2, 5, 1).unfold(3, 4, 1).mean((-2, -1))
    assert windows.shape == (2, 6, 3, 6)
    branches = [
        F.interpolate(
            conv_norm_relu(pool.conv, windows), (7, 9), mode='bilinear', align_corners=align_corners
        ),
        conv_norm_relu(point, x),
    ]
    conv = separable if use_separable else conv_norm_relu
    branches += [conv(block, x, dilation=rate) for rate, block in enumerate(atrous, 1)]
    expected = conv_norm_relu(net.projection, torch.cat(branches, dim=1))
    torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('pool_size', [None, (6, 8), (20, 30)])
def test_pooling_of_a_whole_map_is_its_mean(pool_size):
    net = with_statistics(PooledConv(3, 5, pool_size=pool_size, norm_cfg=dict(type='BN')))
    x = torch.randn(2, 3, 6, 8)
    mean = conv_norm_relu(net.conv, x.mean((2, 3), keepdim=True))
    torch.testing.assert_close(net(x), mean.expand(2, 5, 6, 8))


def atrous_rates(net):
    convs = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    return [conv.dilation[0] for conv in convs if conv.kernel_size == (3, 3)]


@pytest.mark.parametrize(
    ('output_stride', 'rates'), [(8, [12, 24, 36]), (16, [6, 12, 18]), (32, [3, 6, 9])]
)
@pytest.mark.parametrize('use_separable', [False, True])
def test_rates_follow_the_output_stride(output_stride, rates, use_separable):
    net = ASPP(2, 2, output_stride=output_stride, use_separable=use_separable)
    assert atrous_rates(net) == rates


def test_parts_can_be_left_out():
    light = ASPP(320, atrous_rates=())  # the form for MobileNetV2
    assert count_parameters(light) == 2 * (320 * 256 + 512) + 512 * 256 + 512
    without_pool = ASPP(320, atrous_rates=(), use_image_pool=False)
    assert count_parameters(without_pool) == 320 * 256 + 512 + 256 * 256 + 512


@pytest.mark.parametrize('size', [(1, 5), (3, 3), (7, 2)])
@pytest.mark.parametrize('pool_size', [None, (3, 3)])
def test_trains_on_one_image_of_any_size(size, pool_size):
    net = ASPP(4, 8, image_pool_size=pool_size).train()
    x = torch.randn(1, 4, *size, requires_grad=True)
    out = net(x)
    assert out.shape == (1, 8, *size)
    out.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in [x, *net.parameters()])


def test_single_values_are_dropped_after_the_projection():
    net = with_statistics(ASPP(4, 8, dropout_ratio=0.5))
    x = torch.randn(1, 4, 9, 9)
    expected = net(x)
    net.dropout.train()
    out = net(x)
    torch.testing.assert_close(out, torch.where(out == 0, 0, 2 * expected))
    for channel, full in zip(out[0], expected[0], strict=True):
        kept = channel[full > 0] > 0
        if len(kept) > 20:  # ReLU leaves some channels few values
            assert 0 < kept.sum() < len(kept)  # no channel is kept or dropped as a whole
    assert 0.4 < (out > 0).sum() / (expected > 0).sum() < 0.6


def test_norms_and_separable_convolutions_start_as_the_authors():
    net = ASPP(64, 128)
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 3e-4)}
    conv = same_size_conv(512, 256, use_separable=True, norm_cfg=dict(type='BN'))
    for part, std in ((conv.depthwise_conv, 0.33), (conv.pointwise_conv, 0.06)):
        weight = part.conv.weight.detach()
        assert weight.abs().max() <= 2 * std
        assert weight.std().item() == pytest.approx(0.88 * std, rel=0.05)  # the cut takes 12 %


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(atrous_rates=(), output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(atrous_rates=(3,), output_stride=32), r'must be even at output_stride=32, got 3'),
        (dict(atrous_rates=6), r'atrous_rates must be whole numbers of 1 or more, got 6'),
        (dict(atrous_rates=(6, 0)), r'atrous_rates must be whole numbers .*, got \(6, 0\)'),
        (dict(image_pool_size=(33,)), r'image_pool_size must be two whole numbers .*, got \(33,\)'),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message) as error:
        ASPP(4, 4, **kwargs)
    assert '\n' not in str(error.value)


def test_a_number_is_for_both_sides():
    assert pair(3, 'kernel') == pair([3, 3], 'kernel') == (3, 3)
