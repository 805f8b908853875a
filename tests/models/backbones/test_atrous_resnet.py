import pytest
import torch
from helpers import count_parameters
from mmseg.registry import MODELS
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmseg_eff.models.backbones.atrous_resnet import AtrousResNet

# Of the 3x3 convolutions of ResNet-50's stages 3 and 4: (output stride, multi-grid) -> dilations.
DILATIONS = {
    (32, None): ([1, 1, 1, 1, 1, 1], [1, 1, 1]),
    (16, None): ([1, 1, 1, 1, 1, 1], [1, 2, 2]),
    (8, None): ([1, 2, 2, 2, 2, 2], [2, 4, 4]),
    (32, (1, 2, 4)): ([1, 1, 1, 1, 1, 1], [1, 2, 4]),
    (16, (1, 2, 4)): ([1, 1, 1, 1, 1, 1], [2, 4, 8]),
    (8, (1, 2, 4)): ([1, 2, 2, 2, 2, 2], [4, 8, 16]),
    (16, (1, 1, 1)): ([1, 1, 1, 1, 1, 1], [2, 2, 2]),
}
STRIDES = {32: (1, 2, 2, 2), 16: (1, 2, 2, 1), 8: (1, 2, 1, 1)}
# Multiply-adds at 1024x2048 of the encoder of which the DeepLabv3+ of ESeg's Table 8 is made.
GIGA = {32: 170.8, 16: 259.4}


def build(depth: int = 50, **kwargs) -> AtrousResNet:
    with torch.device('meta'):
        net = AtrousResNet(depth, **kwargs)
    net.eval()  # mmseg's returns nothing
    return net


@pytest.fixture(scope='module')
def strided():
    torch.manual_seed(0)
    net = AtrousResNet(50, output_stride=32)
    net.eval()
    return net


def with_weights_of(net: AtrousResNet, **kwargs) -> AtrousResNet:
    other = build(**kwargs)
    other.load_state_dict(net.state_dict(), assign=True)
    return other


@pytest.mark.parametrize('output_stride, multi_grid', DILATIONS)
def test_dilation_of_every_block(output_stride, multi_grid):
    net = build(output_stride=output_stride, multi_grid=multi_grid)
    stages = [getattr(net, name) for name in net.res_layers]
    dilations = [[block.conv2.dilation[0] for block in stage] for stage in stages]
    assert dilations == [[1] * 3, [1] * 4, *DILATIONS[output_stride, multi_grid]]
    assert all(b.conv2.padding == b.conv2.dilation for stage in stages for b in stage)
    for stage, stride in zip(stages, STRIDES[output_stride], strict=True):
        assert [b.conv2.stride[0] for b in stage] == [stride] + [1] * (len(stage) - 1)
        assert {b.conv1.stride[0] for b in stage} == {1}
        assert stage[0].downsample[0].stride == (stride, stride)


@pytest.mark.parametrize('output_stride', GIGA)
def test_multiply_adds_of_the_encoder_in_esegs_table_8(output_stride):
    net = build(output_stride=output_stride)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.empty(1, 3, 1024, 2048, device='meta'))
    assert counter.get_total_flops() / 2e9 == pytest.approx(GIGA[output_stride], abs=0.05)


@pytest.mark.parametrize(
    'depth, parameters',  # torchvision's documentation, without the classifier of 1000 classes
    [(50, 25_557_032), (101, 44_549_160), (152, 60_192_808)],
)
def test_parameters_are_the_published_ones(depth, parameters):
    assert count_parameters(build(depth)) == parameters - 2049 * 1000


@pytest.mark.parametrize('stem_channels, widths', [(64, [32, 32, 64]), (128, [64, 64, 128])])
def test_deep_stem_of_resnet_v1c_and_of_the_authors(stem_channels, widths):
    net = build(deep_stem=True, stem_channels=stem_channels)
    convs = [m for m in net.stem if isinstance(m, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == widths
    assert [(conv.kernel_size, conv.stride[0]) for conv in convs] == [
        ((3, 3), stride) for stride in (2, 1, 1)
    ]
    assert net.layer1[0].conv1.in_channels == stem_channels


@pytest.mark.parametrize('output_stride', [8, 16])
def test_dilation_gives_the_strided_values_and_those_between(strided, output_stride):
    dense = with_weights_of(strided, output_stride=output_stride)
    image = torch.randn(1, 3, 65, 83)
    with torch.no_grad():
        pairs = list(zip(strided(image), dense(image), (4, 8, 16, 32), strict=True))
    for x, y, nominal in pairs:
        step = max(1, nominal // output_stride)
        assert y.shape[-1] == -(-83 // min(nominal, output_stride))
        torch.testing.assert_close(y[..., ::step, ::step], x)


def test_multi_grid_changes_the_last_stage_only(strided):
    first, second = (
        with_weights_of(strided, multi_grid=multi_grid) for multi_grid in (None, (1, 2, 4))
    )
    with torch.no_grad():
        image = torch.randn(1, 3, 64, 64)
        *maps, last = first(image)
        *same, other = second(image)
    assert all(map(torch.equal, maps, same))
    assert (last - other).abs().max() > 0.01


@pytest.mark.parametrize('output_stride', [8, 16, 32])
@pytest.mark.parametrize('size', [(64, 96), (33, 57), (1, 1)])
def test_sizes_are_rounded_up(output_stride, size):
    net = build(output_stride=output_stride)
    assert net.out_channels == [256, 512, 1024, 2048]
    maps = net(torch.empty(1, 3, *size, device='meta'))
    for x, channels, nominal in zip(maps, net.out_channels, (4, 8, 16, 32), strict=True):
        stride = min(nominal, output_stride)
        assert tuple(x.shape[1:]) == (channels, *(-(-side // stride) for side in size))


def test_stages_asked_for_are_returned_in_their_order():
    net = build(out_indices=(3, 0), in_channels=4)
    assert net.out_channels == [2048, 256]
    maps = net(torch.empty(1, 4, 64, 64, device='meta'))
    assert [x.shape[1] for x in maps] == net.out_channels


def test_gradients_reach_every_parameter():
    net = AtrousResNet(50, multi_grid=(1, 2, 4))
    sum(x.square().mean() for x in net(torch.randn(2, 3, 32, 32))).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(depth=18), r'depth must be one of \(50, 101, 152\), got 18'),
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(out_indices=(4,)), r'out_indices must be chosen from \(0, 1, 2, 3\), got \(4,\)'),
        (dict(out_indices=()), 'out_indices must be chosen'),
        (dict(multi_grid=(1, 2)), r'multi_grid must be 3 rates of at least 1, got \(1, 2\)'),
        (dict(multi_grid=(0, 2, 4)), r'multi_grid must be 3 rates of at least 1, got \(0, 2, 4\)'),
        (dict(stem_channels=1), 'stem_channels must be at least 2, got 1'),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='AtrousResNet', **kwargs))
