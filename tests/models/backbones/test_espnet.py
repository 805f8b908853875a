import pytest
import torch
from helpers import count_parameters, train_step
from mmseg.registry import MODELS
from torch.nn import functional as F

from mmseg_eff.models.backbones.espnet import VARIANTS, ESPBlock, ESPNet


def positive(block: ESPBlock) -> ESPBlock:
    """Give a block weights that cannot cancel, and norms that do nothing."""
    for parameter in block.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    return block.double().eval()


@pytest.mark.parametrize('kernel_size', [3, 5])
@pytest.mark.parametrize('num_branches', [1, 2, 3, 4, 5])
def test_effective_receptive_field(num_branches, kernel_size):
    """Sec. 3.1: [(n-1) 2^(K-1) + 1]^2, seen in the gradient of one output."""
    block = positive(ESPBlock(8, 8, num_branches, kernel_size=kernel_size, use_residual=False))
    field = (kernel_size - 1) * 2 ** (num_branches - 1) + 1
    size = field + 4
    x = torch.ones(1, 8, size, size, dtype=torch.double, requires_grad=True)
    block(x)[0, :, size // 2, size // 2].sum().backward()
    rows, columns = (x.grad[0].abs().sum(0) > 0).nonzero().T
    assert rows.max() - rows.min() + 1 == field
    assert columns.max() - columns.min() + 1 == field


def test_block_equals_plain_tensor_code():
    """Fig. 1b with K = 3: reduce, dilations 1, 2, 4, hierarchical fusion, residual, BN, PReLU."""
    block = ESPBlock(7, 7, num_branches=3)
    assert [branch.out_channels for branch in block.branches] == [3, 2, 2]
    x = torch.randn(2, 7, 11, 13)
    reduced = F.conv2d(x, block.reduce.weight)
    d1, d2, d4 = (
        F.conv2d(reduced, branch.weight, padding=dilation, dilation=dilation)
        for branch, dilation in zip(block.branches, (1, 2, 4), strict=True)
    )
    fused = torch.cat([d1, d2, d2 + d4], dim=1) + x
    mean = fused.mean((0, 2, 3), keepdim=True)
    var = fused.var((0, 2, 3), unbiased=False, keepdim=True)
    expected = F.prelu((fused - mean) / (var + 1e-3).sqrt(), torch.full((7,), 0.25))
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize('arch', sorted(VARIANTS))
@pytest.mark.parametrize('size', [(64, 96), (33, 47), (1, 1), (63, 125)])
def test_strides_and_channels(arch, size):
    net = ESPNet(arch, num_blocks=(1, 2)).eval()
    maps = net(torch.zeros(1, 3, *size))
    ceil = [[-(-side // 2**level) for side in size] for level in (1, 2, 3)]
    assert [list(c.shape[1:]) for c in maps] == [
        [channels, *sides] for channels, sides in zip(net.out_channels, ceil, strict=True)
    ]
    assert net.out_channels == {'A': [16, 64, 128], 'B': [16, 128, 256], 'C': [19, 131, 256]}[arch]


@pytest.mark.parametrize('arch', sorted(VARIANTS))
def test_gradients_reach_every_parameter(arch):
    net = ESPNet(arch, num_blocks=(1, 1), num_branches=4, in_channels=4)
    sum(c.square().mean() for c in net(torch.randn(2, 4, 40, 56))).backward()
    unreached = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert unreached == []


def test_skip_and_out_indices():
    net = ESPNet(num_blocks=(1, 1), skip='level1', out_indices=(0, 2)).eval()
    x = torch.randn(1, 3, 32, 32)
    c1, c3 = net(x)
    assert net.out_channels == [16, 256]
    torch.testing.assert_close(c1, net.stem(x))
    assert c3.shape == (1, 256, 4, 4)


@pytest.mark.parametrize('arch', sorted(VARIANTS))
def test_half_precision_is_finite(arch):
    net = ESPNet(arch, num_blocks=(1, 1)).eval().bfloat16()
    assert all(c.isfinite().all() for c in net(torch.randn(1, 3, 32, 32).bfloat16()))


def test_export_with_free_size_equals_eager():
    net = ESPNet(num_blocks=(1, 1)).eval()
    sides = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(net, (torch.randn(1, 3, 64, 96),), dynamic_shapes=(sides,))
    x = torch.randn(1, 3, 45, 71)
    for exported, eager in zip(program.module()(x), net(x), strict=True):
        torch.testing.assert_close(exported, eager)


@pytest.mark.parametrize(
    'head',
    [
        dict(type='FCNHead', in_channels=256, in_index=2, channels=16),
        dict(
            type='DepthwiseSeparableASPPHead',
            in_channels=256,
            in_index=2,
            channels=16,
            dilations=(1, 2),
            c1_in_channels=19,
            c1_channels=8,
        ),
        dict(type='SegformerHead', in_channels=[19, 131, 256], in_index=[0, 1, 2], channels=16),
    ],
    ids=lambda head: head['type'],
)
def test_trains_under_heads_of_mmseg(head):
    losses = train_step(dict(type='ESPNet', num_blocks=(1, 1)), dict(head, num_classes=4))
    assert torch.isfinite(losses['loss'])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(arch='D'), r"arch must be one of \['A', 'B', 'C'\], got 'D'"),
        (dict(skip='level2'), "skip must be one of .*, got 'level2'"),
        (dict(num_blocks=(2, 0)), r'num_blocks must be two positive numbers .*, got \(2, 0\)'),
        (dict(out_indices=(3,)), r'out_indices must be chosen from \(0, 1, 2\), got \(3,\)'),
        (dict(num_branches=65), 'num_branches must be 1 to out_channels=64, got 65'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ESPNet(**arguments)


def test_residual_needs_equal_shapes():
    with pytest.raises(ValueError, match='use_residual needs stride 1'):
        ESPBlock(8, 16)


def test_registered_in_mmseg():
    net = MODELS.build(dict(type='ESPNet', num_blocks=(1, 1)))
    assert count_parameters(net) == count_parameters(ESPNet(num_blocks=(1, 1)))
