import copy

import pytest
import torch
from helpers import build_segmentor, count_parameters
from mmseg.registry import MODELS
from torch.nn import functional as F

from mmseg_eff.models import BiFPN, PooledLevels
from mmseg_eff.models.necks.bifpn import BiFPNCell, FusionNode

NODE = dict(
    fusion='fast', norm_cfg=dict(type='BN', eps=1e-3), act_cfg=dict(type='SiLU', inplace=True)
)
# Inputs of the nodes over P2 to P9 (0 to 7), as EfficientDet's authors number them; 14 to 21 are
# the outputs. ESeg has one level more than EfficientDet's largest.
NODES = [
    [6, 7],
    [5, 8],
    [4, 9],
    [3, 10],
    [2, 11],
    [1, 12],
    [0, 13],
    [1, 13, 14],
    [2, 12, 15],
    [3, 11, 16],
    [4, 10, 17],
    [5, 9, 18],
    [6, 8, 19],
    [7, 20],
]
CE = dict(type='CrossEntropyLoss')
META = dict(img_shape=(50, 70), ori_shape=(50, 70), pad_shape=(50, 70))
LEVELS = [*range(8), *range(6, -1, -1), *range(1, 8)]  # of the inputs and the nodes


def pyramid(size, num_levels, channels=8, batch=2):
    height, width = size
    return [
        torch.randn(batch, channels, -(-height // 2**i), -(-width // 2**i))
        for i in range(num_levels)
    ]


def trained(module):
    """In evaluation mode, with norms and weights that are not as at the start."""
    for value in [*module.parameters(), *module.buffers()]:
        if value.dim() == 1 and value.is_floating_point():
            torch.nn.init.uniform_(value, 0.5, 1.5)
    return module.eval()


def test_a_cell_is_the_paper_s_graph():
    """Against the list of nodes, computed one by one."""
    cell = trained(BiFPNCell(8, 8, **NODE))
    maps = pyramid((130, 67), 8)
    expected = cell(maps)
    by_level = dict(zip(range(1, 7), cell.down, strict=True))
    features = list(maps)
    for number, sources in enumerate(NODES, start=8):
        level = LEVELS[number]
        size = maps[level].shape[2:]
        inputs = []
        for source in sources:
            x = features[source]
            if LEVELS[source] > level:
                x = F.interpolate(x, size=size, mode='nearest')
            elif LEVELS[source] < level:
                x = F.max_pool2d(x, 3, 2, 1)
            inputs.append(x)
        node = by_level[level] if number < 14 else cell.up[level]
        features.append(node(inputs))
    for x, y in zip(expected, features[14:], strict=True):
        torch.testing.assert_close(x, y)


@pytest.mark.parametrize('fusion', ['fast', 'softmax', 'sum'])
def test_a_node_is_the_equation(fusion):
    node = trained(FusionNode(4, 3, **{**NODE, 'fusion': fusion}))
    maps = torch.randn(3, 2, 4, 5, 6)
    factors = torch.ones(3)
    if fusion != 'sum':
        with torch.no_grad():
            node.fusion_weights.copy_(torch.tensor([0.5, -1.0, 2.0]))
        if fusion == 'fast':
            factors = torch.tensor([0.5, 0.0, 2.0]) / 2.5001
        else:
            factors = torch.tensor([0.5, -1.0, 2.0]).exp() / torch.tensor([0.5, -1, 2]).exp().sum()
    x = (maps * factors.reshape(3, 1, 1, 1, 1)).sum(0)
    x = F.conv2d(x * x.sigmoid(), node.depthwise.weight, padding=1, groups=4)
    x = torch.einsum('oi,nihw->nohw', node.pointwise.weight[..., 0, 0], x)
    x = x + node.pointwise.bias[:, None, None]
    expected = F.batch_norm(
        x, node.norm.running_mean, node.norm.running_var, node.norm.weight, node.norm.bias, eps=1e-3
    )
    torch.testing.assert_close(node(maps.unbind()), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(('num_levels', 'nodes', 'scalars'), [(8, 14, 34), (7, 12, 29)])
def test_nodes_and_their_weights_are_counted(num_levels, nodes, scalars):
    cell = BiFPNCell(96, num_levels, **NODE)
    assert len(cell.down) + len(cell.up) == nodes
    weights = [p for name, p in cell.named_parameters() if name.endswith('fusion_weights')]
    assert sum(map(len, weights)) == scalars
    assert count_parameters(cell) == nodes * 10_368 + scalars


@pytest.mark.parametrize(('given', 'num_outs'), [(4, 8), (3, 7), (4, 4), (4, 6), (2, 2)])
@pytest.mark.parametrize('size', [(64, 128), (130, 67), (33, 1)])
def test_any_levels_and_sizes(given, num_outs, size):
    channels = [4, 8, 12, 16][:given]
    maps = [
        torch.randn(2, c, *x.shape[2:]) for c, x in zip(channels, pyramid(size, given), strict=True)
    ]
    neck = BiFPN(channels, 8, num_outs, num_repeats=2)
    levels = neck(maps)
    assert [x.shape for x in levels] == [x.shape for x in pyramid(size, num_outs)]
    assert neck.out_channels == [8] * num_outs
    sum(x.square().mean() for x in levels).backward()
    assert all(p.grad is not None for p in neck.parameters())


def test_a_single_small_image_can_be_trained_on():
    maps = pyramid((16, 16), 3, batch=1)
    levels = BiFPN([8] * 3, 8, num_outs=7)(maps)
    assert levels[-1].shape == (1, 8, 1, 1)
    assert all(x.isfinite().all() for x in levels)


@pytest.mark.parametrize('sizes', [[16, 8, 8, 8], [45, 22, 11, 5]], ids=['atrous', 'rounded down'])
def test_maps_of_other_backbones(sizes):
    maps = [torch.randn(2, 8, size, size) for size in sizes]
    levels = BiFPN([8] * 4, 8, num_outs=5)(maps)
    assert [x.shape[-1] for x in levels] == [*sizes, -(-sizes[-1] // 2)]


@pytest.mark.parametrize('fusion', ['fast', 'softmax', 'sum'])
@pytest.mark.parametrize('scales', [None, [0.1, 0.7, 2.0, 0.01]])
def test_folding_changes_nothing_but_rounding(fusion, scales):
    neck = trained(BiFPN([8] * 3, 8, num_outs=4, num_repeats=2, fusion=fusion)).double()
    folded = copy.deepcopy(neck)
    folded.fold(scales)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert not any('fusion_weights' in name for name in folded.state_dict())
    maps = [x.double() for x in pyramid((40, 24), 3)]
    for x, y, scale in zip(neck(maps), folded(maps), scales or [1] * 4, strict=True):
        torch.testing.assert_close(y, x * scale)


def test_folding_is_for_inference():
    with pytest.raises(ValueError, match='call eval'):
        BiFPN([8], 8, 2).fold()


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (
            dict(num_outs=2),
            r'num_outs must be at least 2 and the number of in_channels \[8, 8, 8\]',
        ),
        (dict(num_repeats=0), 'num_repeats must be 1 or more, got 0'),
        (dict(fusion='mean'), r"fusion must be one of \('fast', 'softmax', 'sum'\), got 'mean'"),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='BiFPN', in_channels=[8, 8, 8], channels=8, **kwargs))


def test_other_maps_are_refused():
    neck = BiFPN([8, 8, 16], 8)
    with pytest.raises(ValueError, match=r'in_channels=\[8, 8, 16\] and got maps of \[8, 8, 8\]'):
        neck(pyramid((16, 16), 3))


def test_pooled_levels_run_mmsegs_fpn_on_more_levels():
    neck = PooledLevels(
        dict(type='FPN', in_channels=[4, 8, 8, 8], out_channels=6, num_outs=4), num_outs=4
    )
    model = build_segmentor(
        dict(type='EfficientNet', arch='lite0', width=0.25, out_indices=(2,)),
        dict(
            type='WeightedSumHead', in_channels=[6] * 3, channels=6, num_classes=3, loss_decode=CE
        ),
        neck=dict(
            type='PooledLevels',
            num_outs=3,
            neck=dict(type='FPN', in_channels=[16] * 3, out_channels=6, num_outs=3),
        ),
    )
    assert model.encode_decode(torch.rand(1, 3, 50, 70), [META]).shape == (1, 3, 50, 70)
    maps = [torch.rand(1, 4, 16, 24), torch.rand(1, 8, 8, 12)]
    assert [tuple(x.shape[1:]) for x in neck(maps)] == [
        (6, 16, 24),
        (6, 8, 12),
        (6, 4, 6),
        (6, 2, 3),
    ]
    with pytest.raises(ValueError, match='num_outs=4 and got 5 maps'):
        neck([maps[0]] * 5)
