import copy
from itertools import product

import pytest
import torch
from helpers import train_step
from torch.nn import functional as F

from mmseg_eff.models.losses.ohem_cross_entropy import OHEMCrossEntropy

CLASS_WEIGHT = [0.5, 2.0, 1.0, 0.25]
PROBABILITIES = {
    'random': lambda: torch.rand(2, 5, 7),
    'hard': lambda: torch.rand(2, 5, 7) * 0.3,
    'easy': lambda: torch.rand(2, 5, 7) * 0.08 + 0.91,
    'equal': lambda: torch.full((2, 5, 7), 0.95),
    'two values': lambda: torch.where(torch.rand(2, 5, 7) < 0.3, 0.2, 0.95),
    'ties': lambda: torch.randint(10, (2, 5, 7)) / 10 + 0.05,
}


def logits_of(p, target):
    """Logits (N, 2, H, W) that give the true classes the probabilities p."""
    return torch.where(
        torch.arange(2).view(2, 1, 1) == target[:, None], p[:, None], 1 - p[:, None]
    ).log()


def by_sorting(logits, target, threshold, min_kept, class_weight=None):
    """The definition: loss, limit, and the kept pixels (N, H, W)."""
    ce = F.cross_entropy(logits, target, ignore_index=255, reduction='none')
    p = torch.exp(-ce)
    valid = target != 255
    ranked = p[valid].sort().values
    limit = torch.tensor(threshold)
    if len(ranked):
        limit = torch.maximum(ranked[min(min_kept, len(ranked) - 1)], limit)
    kept = valid & (p < limit)
    if class_weight:
        ce = ce * torch.tensor(class_weight)[target.clamp(max=3)]
    return ce[kept].sum() / max(1, kept.sum()), limit, kept


def random_batch(size=(2, 9, 11), ignored_rows=2):
    target = torch.randint(4, size)
    target[:, :ignored_rows] = 255
    return (torch.randn(size[0], 4, *size[1:]) * 3).requires_grad_(), target


@pytest.mark.parametrize('num_ignored', [0, 30, 67, 69, 70])
@pytest.mark.parametrize('kind', PROBABILITIES)
def test_selects_what_sorting_does(kind, num_ignored):
    target = torch.randint(2, (2, 5, 7))
    logits = logits_of(PROBABILITIES[kind](), target).requires_grad_()
    p = torch.exp(-F.cross_entropy(logits, target, reduction='none'))
    target.view(-1)[torch.randperm(70)[:num_ignored]] = 255
    n = 70 - num_ignored
    ranks = {0, 1, 5, n // 2, max(0, n - 2), max(0, n - 1), n, n + 1, 70, 1000}
    for threshold, min_kept in product((0.0, 0.5, 0.9, 1.0, p[0, 0, 0].item()), ranks):
        criterion = OHEMCrossEntropy(threshold, min_kept)
        loss = criterion(logits, target)
        expected, limit, kept = by_sorting(logits, target, threshold, min_kept)
        assert torch.equal(criterion.limit, limit)
        assert criterion.kept_share == kept.sum() / max(1, n)
        torch.testing.assert_close(loss, expected)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.equal(gradient.any(1), kept)


@pytest.mark.parametrize('min_kept', [3, 40, 1000])
@pytest.mark.parametrize('class_weight', [None, CLASS_WEIGHT])
def test_several_classes_and_their_weights(class_weight, min_kept):
    logits, target = random_batch()
    criterion = OHEMCrossEntropy(0.4, min_kept, class_weight, loss_weight=0.3)
    expected, limit, kept = by_sorting(logits, target, 0.4, min_kept, class_weight)
    torch.testing.assert_close(criterion(logits, target), 0.3 * expected)
    assert torch.equal(criterion.limit, limit)
    assert criterion.kept_share == kept.sum() / (target != 255).sum()


@pytest.mark.parametrize('class_weight', [None, CLASS_WEIGHT])
def test_without_mining_the_mean_over_all_labelled_pixels(class_weight):
    logits, target = random_batch()
    criterion = OHEMCrossEntropy(class_weight=class_weight)
    criterion.is_mining = False
    weight = torch.tensor(class_weight) if class_weight else None
    total = F.cross_entropy(logits, target, weight, ignore_index=255, reduction='sum')
    torch.testing.assert_close(criterion(logits, target), total / (target != 255).sum())
    assert criterion.limit == criterion.kept_share == 1


@pytest.mark.parametrize('is_mining', [True, False])
def test_all_ignored_is_zero_with_a_gradient(is_mining):
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    criterion = OHEMCrossEntropy()
    criterion.is_mining = is_mining
    loss = criterion(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss == criterion.kept_share == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_pixel_weights_multiply_and_another_label_is_ignored():
    logits, target = random_batch(ignored_rows=0)
    target[:, 4:] = -1
    weight = torch.rand(target.shape)
    loss = OHEMCrossEntropy(1.0, 0)(logits, target, weight=weight, ignore_index=-1)
    ce = F.cross_entropy(logits, target, ignore_index=-1, reduction='none')
    torch.testing.assert_close(loss, (ce * weight)[:, :4].mean())


def test_divergence_is_not_hidden():
    logits, target = random_batch()
    logits.data[0, 0, 5, 5] = torch.nan
    assert OHEMCrossEntropy()(logits, target).isnan()
    assert OHEMCrossEntropy(min_kept=0)(logits, target).isnan()


def test_half_precision_is_computed_in_full():
    inputs, (_, target) = torch.randn(2, 3, 9, 11), random_batch()
    classifier = torch.nn.Conv2d(3, 4, 1)
    criterion = OHEMCrossEntropy(0.5, 20, CLASS_WEIGHT)
    with torch.autocast('cpu', torch.bfloat16):
        logits = classifier(inputs)
        loss = criterion(logits, target)
    assert logits.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert torch.equal(loss, criterion(logits.float(), target))
    assert torch.equal(loss, criterion(logits, target))
    loss.backward()
    assert classifier.weight.grad.any()


@pytest.mark.parametrize('sampler', [None, dict(type='OHEMPixelSampler', thresh=0.5, min_kept=50)])
def test_trains_in_a_head(sampler):
    loss = dict(type='OHEMCrossEntropy', min_kept=500, class_weight=CLASS_WEIGHT)
    head = dict(type='ESPNetHead', in_channels=(19, 131, 256), num_classes=4, loss_decode=loss)
    log = train_step(dict(type='ESPNet', num_blocks=(1, 1)), {**head, 'sampler': sampler})
    assert 0 < log['decode.loss_ohem'] < 10


def test_state_is_neither_saved_nor_in_the_way_of_a_copy():
    criterion = OHEMCrossEntropy()
    criterion(*random_batch())
    assert criterion.state_dict() == {}
    assert copy.deepcopy(criterion).limit == criterion.limit


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(threshold=1.5), 'threshold must be from 0 to 1, got 1.5'),
        (dict(threshold=float('nan')), 'threshold must be from 0 to 1, got nan'),
        (dict(min_kept=-1), 'min_kept must be an integer of 0 or more, got -1'),
        (dict(min_kept=0.5), 'min_kept must be an integer of 0 or more, got 0.5'),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        OHEMCrossEntropy(**arguments)


def test_wrong_classes():
    target = torch.zeros(1, 2, 2, dtype=torch.long)
    with pytest.raises(ValueError, match='OHEMCrossEntropy needs 2 classes or more'):
        OHEMCrossEntropy()(torch.zeros(1, 1, 2, 2), target)
    with pytest.raises(ValueError, match='class_weight has 2 values for 3 classes'):
        OHEMCrossEntropy(class_weight=[1, 2])(torch.zeros(1, 3, 2, 2), target)
