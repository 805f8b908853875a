import copy

import pytest
import torch
from helpers import count_parameters, train_step
from mmseg.registry import MODELS
from torch.nn import functional as F

from mmseg_eff.models import WeightedSumHead

LEVELS = dict(in_channels=[8] * 3, channels=8, num_classes=5)


def maps(size=(20, 31), levels=3):
    return [torch.randn(2, 8, -(-size[0] // 2**i), -(-size[1] // 2**i)) for i in range(levels)]


def head(**kwargs):
    built = WeightedSumHead(**LEVELS, **kwargs)
    with torch.no_grad():
        built.level_weights.copy_(torch.tensor([0.3, -2.0, 1.5]))
        for norm in (m for m in built.modules() if isinstance(m, torch.nn.BatchNorm2d)):
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.5, 2)
    return built.eval()


@pytest.mark.parametrize('align_corners', [False, True])
def test_logits_are_the_equation(align_corners):
    """O = sum of softmax(w)_i Up(P_i); then, for the plain classifier, one matrix product."""
    net = head(classifier='1x1', align_corners=align_corners)
    levels = maps()
    weights = torch.tensor([0.3, -2.0, 1.5]).exp()
    weights = weights / weights.sum()
    total = torch.zeros(2, 8, 20, 31)
    for weight, x in zip(weights, levels, strict=True):
        total += weight * F.interpolate(
            x, size=(20, 31), mode='bilinear', align_corners=align_corners
        )
    expected = torch.einsum('oc,nchw->nohw', net.conv_seg.weight[..., 0, 0], total)
    torch.testing.assert_close(net(levels), expected + net.conv_seg.bias[:, None, None])


def test_parameters_of_the_separable_classifier():
    net = WeightedSumHead(in_channels=[96] * 8, channels=96, num_classes=19)
    depthwise, hidden, norm, classifier = 96 * 9, 96 * 97, 2 * 96, 19 * 97
    assert count_parameters(net) == 8 + 2 * depthwise + hidden + norm + classifier


@pytest.mark.parametrize('classifier', ['separable', '1x1'])
def test_initial_weights(classifier):
    """He initialisation by the fan-out, and a last convolution that starts small."""
    net = WeightedSumHead([256] * 3, 256, 50, classifier=classifier)
    net.init_weights()
    last = net.conv_seg
    if classifier == 'separable':
        depthwise, last = net.conv_seg
        assert depthwise.weight.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.05)
        assert net.hidden[1].weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.05)
    assert last.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert last.bias.eq(0).all()


@pytest.mark.parametrize('classifier', ['separable', '1x1'])
@pytest.mark.parametrize('use_plain_sum', [False, True])
def test_folding_changes_nothing_but_rounding(classifier, use_plain_sum):
    net = head(classifier=classifier)
    folded = copy.deepcopy(net)
    folded.fold(use_plain_sum=use_plain_sum)
    assert 'level_weights' not in folded.state_dict()
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    levels = maps()
    expected = net(levels)
    if use_plain_sum:
        levels = [x * c for x, c in zip(levels, net.coefficients(), strict=True)]
    torch.testing.assert_close(folded(levels), expected, rtol=1e-5, atol=1e-5)


def test_folding_is_for_inference():
    with pytest.raises(ValueError, match='call eval'):
        WeightedSumHead(**LEVELS).fold()


@pytest.mark.parametrize('classifier', ['separable', '1x1'])
def test_trains_on_any_backbone_of_one_width(classifier):
    """Every parameter gets a gradient: nothing of mmseg's own classifier is left over."""
    log = train_step(
        dict(type='EfficientNet', arch='lite0', width=0.25, out_indices=(0, 1)),
        dict(
            type='WeightedSumHead',
            in_channels=[8],
            in_index=[1],
            channels=8,
            num_classes=4,
            classifier=classifier,
            loss_decode=dict(type='CrossEntropyLoss'),
        ),
    )
    assert log['loss'].isfinite()


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(classifier='3x3'), r"classifier must be one of \('separable', '1x1'\), got '3x3'"),
        (dict(in_channels=[8, 16]), r'in_channels must all be channels=8, got \[8, 16\]'),
    ],
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='WeightedSumHead', **{**LEVELS, **kwargs}))


@pytest.mark.parametrize('levels', [maps(levels=2), [torch.rand(1, 4, 8, 8)] * 3])
def test_other_maps_are_refused(levels):
    given = [x.shape[1] for x in levels]
    with pytest.raises(ValueError) as error:
        WeightedSumHead(**LEVELS)(levels)
    assert str(error.value) == (
        'WeightedSumHead was built for maps [0, 1, 2] of 8 channels and got maps of '
        f'{given} channels'
    )
