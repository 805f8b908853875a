import pytest
import torch

from mmseg_eff.models.layers import check_channels, normalise, pooled_levels, weighted_sum


def test_pooled_levels_are_averages_of_what_is_there():
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    first, pooled, last = pooled_levels([x], 3)
    assert first is x
    # Windows of rows (0, 1), (1, 2) and columns (0, 1), (1, 2, 3): nothing outside is counted.
    expected = [[2.5, 4.0], [6.5, 8.0]]
    assert pooled[0, 0].tolist() == expected
    assert last.shape == (1, 1, 1, 1)
    assert last.item() == pytest.approx(5.25)


def test_weighted_sum_of_numbers_and_of_parameters():
    maps = torch.rand(3, 1, 2, 4, 4).unbind()
    factors = torch.tensor([0.5, 0.25, 2.0], requires_grad=True)
    expected = 0.5 * maps[0] + 0.25 * maps[1] + 2 * maps[2]
    total = weighted_sum(maps, factors)
    torch.testing.assert_close(total, expected)
    total.sum().backward()
    torch.testing.assert_close(factors.grad, torch.stack([x.sum() for x in maps]))
    torch.testing.assert_close(weighted_sum(iter(maps), factors.tolist()), expected)


def test_other_channels_are_refused():
    with pytest.raises(
        ValueError, match=r'Neck was built for in_channels=\[1, 2\] and got maps of'
    ):
        check_channels('Neck', [1, 2], [torch.rand(1, 1, 2, 2)])


def test_one_value_a_channel_is_normalised_by_running_statistics():
    norm = torch.nn.BatchNorm2d(3)
    norm.running_mean.fill_(2.0)
    x = torch.rand(1, 3, 1, 1, requires_grad=True)
    with pytest.raises(ValueError, match='more than 1 value'):
        norm(x)
    out = normalise(norm, x)
    torch.testing.assert_close(out, norm.eval()(x))
    out.sum().backward()
    assert norm.bias.grad is not None
    assert norm.running_mean.eq(2).all()


def test_other_maps_are_normalised_as_usual():
    norms = [torch.nn.BatchNorm2d(3) for _ in range(2)]
    x = torch.rand(2, 3, 1, 1)
    torch.testing.assert_close(normalise(norms[0], x), norms[1](x))
    torch.testing.assert_close(norms[0].running_mean, norms[1].running_mean)
    assert normalise(torch.nn.Identity(), x) is x
