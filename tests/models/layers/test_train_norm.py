import copy

import pytest
import torch
from torch import nn

from mmseg_eff.models.layers import TrainBatchNorm2d
from mmseg_eff.models.layers.train_norm import FoldedBatchNorm, pixels_to_fold


def channels_last(*shape, dtype=torch.float):
    return (torch.randn(*shape, dtype=dtype) * 2 + 3).to(memory_format=torch.channels_last)


def norm(channels, kind=TrainBatchNorm2d):
    layer = kind(channels)
    nn.init.uniform_(layer.weight, 0.5, 1.5)
    nn.init.normal_(layer.bias)
    return layer


def result(layer, x, factor):
    x = x.detach().requires_grad_()
    out = layer(x)
    (out * factor).sum().backward()
    return out, x.grad, layer.weight.grad, layer.bias.grad, *layer.buffers()


@pytest.mark.parametrize('channels', [1, 3, 10, 24, 50])
@pytest.mark.parametrize('dtype', [torch.float, torch.double])
def test_equals_torchs(channels, dtype):
    x, factor = (channels_last(2, channels, 8, 12, dtype=dtype) for _ in range(2))
    ours = norm(channels).to(dtype)
    theirs = copy.deepcopy(ours)
    theirs.__class__ = nn.BatchNorm2d
    assert pixels_to_fold(channels, 2 * 8 * 12) > 1
    for given, wanted in zip(result(ours, x, factor), result(theirs, x, factor), strict=True):
        torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-4)
        if given.dtype == torch.double:
            torch.testing.assert_close(given, wanted, rtol=1e-9, atol=1e-9)


def test_gradcheck():
    x = channels_last(2, 3, 4, 4, dtype=torch.double).requires_grad_()
    layer = norm(3).double()
    assert torch.autograd.gradcheck(
        lambda x, weight, bias: FoldedBatchNorm.apply(x, weight, bias, 1e-5, 16)[0],
        (x, layer.weight, layer.bias),
    )


def test_gradient_in_another_format():
    x, factor = channels_last(2, 10, 8, 8), torch.randn(2, 10, 8, 8)
    ours, theirs = norm(10), norm(10, nn.BatchNorm2d)
    theirs.load_state_dict(ours.state_dict())
    for given, wanted in zip(result(ours, x, factor), result(theirs, x, factor), strict=True):
        torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-4)


def test_no_gradient_wanted_of_weight():
    layer, x = norm(10), channels_last(2, 10, 8, 8).requires_grad_()
    layer.requires_grad_(False)
    layer(x).square().sum().backward()
    assert x.grad is not None and layer.weight.grad is None


@pytest.mark.parametrize(
    ('channels', 'pixels', 'factor'), [(10, 160, 16), (10, 12, 1), (32, 160, 4), (50, 96, 8)]
)
def test_pixels_to_fold(channels, pixels, factor):
    assert pixels_to_fold(channels, pixels) == factor


@pytest.mark.parametrize('case', ['eval', 'NCHW', 'width', 'no statistics', 'cumulative'])
def test_others_are_left_to_torch(case):
    x, layer = channels_last(2, 10, 8, 8), norm(10)
    if case == 'eval':
        layer.eval()
    elif case == 'NCHW':
        x = x.contiguous()
    elif case == 'width':
        x, layer = channels_last(2, 32, 8, 8), norm(32)
    elif case == 'no statistics':
        layer = TrainBatchNorm2d(10, track_running_stats=False)
    else:
        layer.momentum = None
    assert 'NativeBatchNorm' in str(layer(x).grad_fn)


def test_one_value_a_channel_is_torchs_error():
    with pytest.raises(ValueError, match='more than 1 value'):
        norm(10)(torch.randn(1, 10, 1, 1))
