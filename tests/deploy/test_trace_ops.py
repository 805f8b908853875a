import pytest
import torch
from torch.nn import functional as F

from mmseg_eff.deploy import trace_ops as operations
from mmseg_eff.deploy.trace_ops import PlainOperations, upsampled_argmax, whole_factor


@pytest.mark.parametrize('pool', [F.adaptive_avg_pool2d, F.adaptive_max_pool2d])
@pytest.mark.parametrize(
    ('size', 'target'),
    [((12, 18), (6, 9)), ((13, 17), (5, 17)), ((7, 9), 1), ((5, 4), (8, 9)), ((11, 3), 2)],
)
def test_plain_pooling_is_adaptive_pooling(pool, size, target):
    x = torch.randn(2, 3, *size)
    with PlainOperations():
        plain = pool(x, target)
    torch.testing.assert_close(plain, pool(x, target))


def test_a_resize_to_the_same_size_is_left_out():
    x = torch.randn(1, 2, 5, 7)
    with PlainOperations():
        assert F.interpolate(x, (5, 7), mode='bilinear') is x
        assert F.interpolate(x, size=(5, 7)) is x
        assert F.interpolate(x, (10, 7), mode='bilinear').shape == (1, 2, 10, 7)
        assert F.interpolate(x, scale_factor=2).shape == (1, 2, 10, 14)


def test_a_sum_with_a_factor_is_a_product_and_a_sum():
    total, x = torch.randn(2, 3, 4).unbind()
    with PlainOperations():
        assert torch.equal(total.add(x, alpha=0.7), total + x * 0.7)
        assert torch.equal(total.add(x, alpha=1.0), total.add(x))


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('rows', [2, 9])
@pytest.mark.parametrize('factor', range(2, 9))
def test_upsampled_argmax(factor, rows, align_corners, monkeypatch):
    generator = torch.Generator().manual_seed(factor)
    logits = torch.randn(2, 5, 9, 12, generator=generator)
    monkeypatch.setattr(operations, 'STRIP', rows * logits[0, :, 0].numel())
    size = [factor * side for side in logits.shape[2:]]
    enlarged = F.interpolate(logits, size, mode='bilinear', align_corners=align_corners)
    top = enlarged.topk(2, 1).values
    is_clear = top[:, 0] - top[:, 1] > 1e-5  # no tie by rounding
    assert is_clear.float().mean() > 0.99
    labels = upsampled_argmax(logits, factor, align_corners)
    assert torch.equal(labels[is_clear], enlarged.argmax(1)[is_clear])


@pytest.mark.parametrize(
    ('given', 'wanted', 'factor'),
    [
        ((4, 6), (8, 12), 2),
        ((4, 6), (32, 48), 8),
        ((4, 6), (4, 6), None),
        ((4, 6), (8, 18), None),
        ((4, 6), (9, 12), None),
        ((4, 6), (36, 54), None),
        ((4, 6), (2, 3), None),
    ],
)
def test_whole_factor(given, wanted, factor):
    assert whole_factor(given, wanted) == factor
