import pytest
import torch
from helpers import count_parameters, train_step
from torch.nn import functional as F

from mmseg_eff.models.backbones.espnetv2 import EESP, WIDTHS, ESPNetv2, StridedEESP

# Parameters of the official encoder for segmentation (run by us).
OFFICIAL = {0.5: 62354, 1.0: 207158, 1.25: 310638, 1.5: 434886, 2.0: 745686}
DEAD = {0.5: 112, 1.0: 224, 1.5: 352, 2.0: 480}  # of them used by nothing


@pytest.mark.parametrize('s', sorted(WIDTHS))
def test_parameters_equal_the_official_code(s):
    net = ESPNetv2(s)
    assert count_parameters(net) == OFFICIAL[s]
    dead = sum(p.numel() for p in net.parameters() if not p.requires_grad)
    assert dead == DEAD.get(s, sum(down.eesp.act.weight.numel() for down in net.downs))


@pytest.mark.parametrize('s', sorted(WIDTHS))
@pytest.mark.parametrize('size', [(64, 96), (33, 47), (1, 1)])
def test_strides_and_channels(s, size):
    net = ESPNetv2(s, out_indices=(0, 1, 2, 3, 4)).eval()
    maps = net(torch.zeros(1, 3, *size))
    assert net.out_channels == list(WIDTHS[s])
    for level, (c, channels) in enumerate(zip(maps, net.out_channels, strict=True), start=1):
        assert tuple(c.shape[1:]) == (channels, *(-(-side // 2**level) for side in size))


def test_levels_beyond_those_asked_for_are_not_built():
    net = ESPNetv2(0.5, out_indices=(1, 2))
    assert net.out_channels == [32, 64]
    assert len(net.downs) == 2
    assert not hasattr(ESPNetv2(0.5, out_indices=(4,)).downs[3], 'reinforce')


def test_block_equals_plain_tensor_code():
    """Fig. 1c: grouped reduction, sums over all branches, grouped expansion, residual, PReLU."""
    block = EESP(16, 16, (1, 1, 2, 3)).eval()
    x = torch.randn(2, 16, 9, 11)
    scale = (1 + 1e-5) ** -0.5  # a fresh BN in evaluation

    def prelu(y):
        return torch.where(y > 0, y, 0.25 * y)

    reduced = prelu(scale * F.conv2d(x, block.reduce[0].weight, groups=4))
    maps = []
    for branch, dilation in zip(block.branches, (1, 1, 2, 3), strict=True):
        y = F.conv2d(reduced, branch.weight, padding=dilation, dilation=dilation, groups=4)
        maps.append(y + maps[-1] if maps else y)
    merged = prelu(scale * torch.cat(maps, dim=1))
    expanded = scale * F.conv2d(merged, block.expand[0].weight, groups=4)
    torch.testing.assert_close(block(x), prelu(expanded + x))


def test_strided_unit_concatenates_pooling_first_and_adds_the_image():
    unit = StridedEESP(8, 24, (1, 2, 3, 4)).eval()
    x, image = torch.randn(1, 8, 10, 12), torch.randn(1, 3, 5, 6)
    pooled = F.avg_pool2d(x, 3, 2, 1)
    expected = torch.cat([pooled, unit.eesp(x)], dim=1) + unit.reinforce(image)
    torch.testing.assert_close(unit(x, image), F.prelu(expected, unit.act.weight))


def test_gradients_reach_every_live_parameter():
    net = ESPNetv2(0.5, in_channels=4, out_indices=(0, 1, 2, 3, 4))
    sum(c.square().mean() for c in net(torch.randn(2, 4, 64, 96))).backward()
    live = [(name, p) for name, p in net.named_parameters() if p.requires_grad]
    assert [name for name, p in live if p.grad is None or not p.grad.any()] == []


def test_initialised_as_by_the_authors():
    net = ESPNetv2(1.0)
    net.init_weights()
    weight = net.downs[2].eesp.expand[0].weight  # 128 channels out, 4 groups
    expected = (2 / (weight.shape[0] // 4 * 4)) ** 0.5
    assert weight.std().item() == pytest.approx(expected, rel=0.05)


def test_export_with_free_size_equals_eager():
    net = ESPNetv2(0.5).eval()
    sides = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    program = torch.export.export(net, (torch.randn(1, 3, 64, 96),), dynamic_shapes=(sides,))
    x = torch.randn(1, 3, 45, 71)
    for exported, eager in zip(program.module()(x), net(x), strict=True):
        torch.testing.assert_close(exported, eager)


def test_trains_under_a_head_of_mmseg():
    head = dict(type='FCNHead', in_channels=128, in_index=3, channels=16, num_classes=4)
    assert torch.isfinite(train_step(dict(type='ESPNetv2', width_multiplier=0.5), head)['loss'])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(width_multiplier=0.75), r'must be one of \[0.5, 1.0, 1.25, 1.5, 2.0\], got 0.75'),
        (dict(out_indices=(5,)), r'out_indices must be chosen from \(0, 1, 2, 3, 4\), got \(5,\)'),
        (dict(out_indices=()), 'out_indices must be chosen'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ESPNetv2(**arguments)


def test_channels_that_cannot_be_grouped():
    with pytest.raises(ValueError, match='divisible by 4 and out_channels by 16, got 16 and 24'):
        EESP(16, 24)
