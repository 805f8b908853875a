import pytest
import torch
from torch import nn

from mmseg_eff.models.layers import PReLU


def gradients(layer, x, factor):
    x = x.detach().requires_grad_()
    out = layer(x)
    (out * factor).sum().backward()
    return out, x.grad, layer.weight.grad


@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('other', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('num_parameters', [1, 6])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_equals_torch_to_the_bit(memory_format, other, num_parameters, dtype):
    x = torch.randn(2, 6, 7, 9, dtype=dtype).to(memory_format=memory_format)
    x[:, :, 0] = 0  # the slope counts there, as in torch
    factor = torch.randn(2, 6, 7, 9, dtype=dtype).to(memory_format=other)
    layers = [kind(num_parameters, dtype=dtype) for kind in (PReLU, nn.PReLU)]
    ours, torchs = (gradients(layer, x, factor) for layer in layers)
    assert torch.equal(ours[0], torchs[0]) and torch.equal(ours[1], torchs[1])
    assert ours[0].is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(ours[2], torchs[2])


def test_gradient_of_a_broadcast_value():
    layer, x = PReLU(3), torch.randn(2, 3, 4, 5, dtype=torch.double)
    layer.double()
    assert torch.autograd.gradcheck(lambda x: layer(x).mean((2, 3)), x.requires_grad_())


def test_frozen_slopes_and_frozen_input():
    layer, x = PReLU(3), torch.randn(1, 3, 4, 5)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    layer.requires_grad_(False).weight.grad = None
    x.requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None and layer.weight.grad is None


def test_exports_as_torchs_prelu():
    with torch.no_grad():
        graph = torch.export.export(PReLU(3).eval(), (torch.randn(1, 3, 4, 5),))
    names = [str(node.target) for node in graph.graph.nodes if node.op == 'call_function']
    assert names == ['aten.prelu.default']


def test_loads_torchs_slopes():
    torchs, ours = nn.PReLU(4, init=0.7), PReLU(4)
    ours.load_state_dict(torchs.state_dict())
    assert torch.equal(ours.weight, torchs.weight)
