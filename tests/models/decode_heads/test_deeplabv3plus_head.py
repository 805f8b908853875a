import copy

import pytest
import torch
from helpers import train_step
from mmcv.cnn import fuse_conv_bn
from mmengine.config import Config
from mmseg.registry import MODELS
from plain import conv_norm_relu, separable, with_statistics
from torch.nn import functional as F

import mmseg_eff.models.backbones.xception  # noqa: F401
from mmseg_eff.benchmarking.complexity import complexity
from mmseg_eff.models.decode_heads.deeplabv3plus_head import DeepLabV3PlusHead

BACKBONE = dict(
    type='EfficientNet', arch='lite0', width=0.25, output_stride=16, out_indices=(1, 2, 4)
)
MAPS = dict(in_channels=[6, 16], num_classes=4, channels=8)


def net(**kwargs):
    return DeepLabV3PlusHead(**{**MAPS, **kwargs})


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('use_separable_decoder', [False, True])
def test_logits_are_those_of_the_decoder(use_separable_decoder, align_corners):
    head = with_statistics(
        net(use_separable_decoder=use_separable_decoder, align_corners=align_corners)
    )
    low, high = torch.randn(2, 6, 17, 23), torch.randn(2, 16, 5, 7)
    (stage,) = head.decoder
    context = F.interpolate(
        head.context(high), (17, 23), mode='bilinear', align_corners=align_corners
    )
    x = torch.cat([context, conv_norm_relu(stage.project, low)], dim=1)
    conv = separable if use_separable_decoder else conv_norm_relu
    for block in stage.fuse:
        x = conv(block, x)
    expected = F.conv2d(x, head.conv_seg.weight, head.conv_seg.bias)
    torch.testing.assert_close(head([low, high]), expected, rtol=1e-4, atol=1e-5)


def test_several_low_level_maps_come_in_from_coarse_to_fine():
    head = with_statistics(net(in_channels=[3, 6, 16], in_index=[0, 1, 3]))
    maps = [torch.randn(1, c, s, s) for c, s in ((3, 32), (6, 16), (9, 8), (16, 4))]
    coarse, fine = head.decoder
    expected = head.conv_seg(fine(coarse(head.context(maps[3]), maps[1]), maps[0]))
    assert torch.equal(head(maps), expected)


def figures(backbone, head, size):
    model = dict(type='EncoderDecoder', backbone=backbone, decode_head=head)
    *_, total = complexity(Config(dict(model=model)), size)
    return total


@pytest.mark.parametrize(
    ('arch', 'head', 'size', 'parameters', 'macs', 'printed'),
    [
        ('65', dict(num_classes=21), (513, 513), 41.055, 54.04, 54.17),
        ('65', dict(num_classes=21, output_stride=8), (513, 513), 41.055, 176.85, None),
        ('65', dict(num_classes=19), (1025, 2049), 41.055, 418.38, 418.64),
        ('71', dict(num_classes=19, cell='published'), (1025, 2049), 41.609, 501.81, 502.07),
    ],
)
def test_sizes_are_those_of_the_authors_nets(arch, head, size, parameters, macs, printed):
    """``printed`` are their model zoo's billions, which count a little more."""
    stride = head.get('output_stride', 16)
    backbone = dict(type='Xception', arch=arch, output_stride=stride, out_indices=(0, 3))
    head = dict(type='DeepLabV3PlusHead', in_channels=[256, 2048], **head)
    total = figures(backbone, head, size)
    assert round(total.parameters / 1e6, 3) == parameters
    assert round(total.macs / 1e9, 2) == macs
    assert printed is None or macs == pytest.approx(printed, rel=0.003)


B1 = dict(type='EfficientNet', arch='b1', out_indices=(1, 4))
R50 = dict(type='ResNet', depth=50, out_indices=(0, 3), style='pytorch')
R50_AT16 = dict(R50, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2))


@pytest.mark.parametrize(
    ('backbone', 'in_channels', 'parameters', 'macs'),
    [
        (dict(B1, output_stride=16), (24, 320), 8_964_131, 88.40),
        (dict(B1, output_stride=32), (24, 320), 8_964_131, 48.48),
        (R50_AT16, (256, 2048), 39_210_947, 404.05),
        (R50, (256, 2048), 39_210_947, 223.26),
    ],
)
def test_sizes_are_those_of_esegs_table_8(backbone, in_channels, parameters, macs):
    """MACs of a prototype whose other figures are the paper's. Rates 6, 12, 18 at either stride.

    It has 1120 parameters less: no norm inside the decoder's separable convolutions.
    """
    head = dict(
        type='DeepLabV3PlusHead',
        in_channels=list(in_channels),
        num_classes=19,
        use_separable=False,
    )
    total = figures(backbone, head, (1024, 2048))
    assert total.parameters == parameters
    assert round(total.macs / 1e9, 2) == macs


@pytest.mark.parametrize(('output_stride', 'rates'), [(8, [12, 24, 36]), (32, [3, 6, 9])])
def test_rates_follow_the_output_stride(output_stride, rates):
    convs = [m for m in net(output_stride=output_stride).modules() if hasattr(m, 'dilation')]
    assert sorted({conv.dilation[0] for conv in convs} - {1}) == rates


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(in_channels=[8, 80]),
        dict(in_channels=[8, 80], use_separable=False, use_separable_decoder=False),
        dict(in_channels=[8, 16, 80], in_index=[0, 1, 2]),
        dict(in_channels=[16, 80], in_index=[1, 2], cell='published', low_level_channels=5),
    ],
)
def test_every_parameter_is_trained(kwargs):
    head = dict(type='DeepLabV3PlusHead', channels=8, num_classes=4, **kwargs)
    assert train_step(BACKBONE, head)['loss'].isfinite()


@pytest.mark.parametrize('sizes', [((1, 2), (1, 1)), ((20, 31), (5, 8)), ((3, 9), (7, 2))])
def test_one_image_of_any_size_trains(sizes):
    head = net().train()
    maps = [torch.randn(1, c, *size) for c, size in zip((6, 16), sizes, strict=True)]
    assert head.context.branches[0](maps[1]).shape == (1, 8, *sizes[1])
    if sizes[1] == (1, 1):  # only the pooled branch can normalise a single value
        head.context.branches[1:].eval()
        head.context.projection.eval()
    logits = head(maps)
    assert logits.shape == (1, 4, *sizes[0])
    logits.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())


@torch.no_grad()
def test_folding_changes_nothing_but_rounding():
    head = with_statistics(net())
    maps = [torch.randn(1, 6, 17, 23), torch.randn(1, 16, 5, 7)]
    expected = head(maps)
    folded = fuse_conv_bn(copy.deepcopy(head))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    torch.testing.assert_close(folded(maps), expected, rtol=1e-4, atol=1e-5)


def test_export_with_free_size_equals_eager():
    head = with_statistics(net(atrous_rates=(2,)))
    free = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    maps = (torch.randn(1, 6, 16, 24), torch.randn(1, 16, 4, 6))
    program = torch.export.export(head, (maps,), dynamic_shapes=((free, free),))
    maps = (torch.randn(1, 6, 19, 20), torch.randn(1, 16, 5, 7))
    torch.testing.assert_close(program.module()(maps), head(maps))


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32, got 4'),
        (dict(atrous_rates=(6, 12, 9), output_stride=32), 'atrous_rates must be even .*, got 9'),
        (
            dict(in_channels=[16]),
            r'in_channels and in_index must name two or more maps, got \[16\] and \[0, -1\]',
        ),
        (dict(in_index=[0, 1, 2]), r'must name two or more maps, got \[6, 16\] and \[0, 1, 2\]'),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='DeepLabV3PlusHead', **{**MAPS, **kwargs}))


@pytest.mark.parametrize('in_index', [[2, -1], [-3, -1], [1, 0]])
def test_low_level_map_that_is_not_there(in_index):
    with pytest.raises(ValueError) as error:
        net(in_index=in_index)([torch.rand(1, 6, 8, 8), torch.rand(1, 16, 4, 4)])
    assert str(error.value) == (
        f'DeepLabV3PlusHead was built for in_index={in_index} of [6, 16] channels and got maps of '
        '[6, 16] channels'
    )
