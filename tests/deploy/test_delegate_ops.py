"""The rewrites are exact, and leave the operations that XNNPACK's delegate has."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmseg_eff.deploy.delegate_ops import DelegatedOperations, repeats


def rewritten(function, *args):
    with DelegatedOperations(channels=3):
        return function(*args)


def operations(function, *args) -> list[str]:
    """Names of the operations that a function is traced to."""

    class Module(nn.Module):
        def forward(self, *args):
            return function(*args)

    with torch.no_grad(), DelegatedOperations(channels=3):
        program = torch.export.export(Module(), args)
    targets = [node.target for node in program.graph.nodes if node.op == 'call_function']
    return [target.overloadpacket.__name__ for target in targets]


def test_channels_of_the_image_come_first():
    image = torch.randint(256, (2, 4, 5, 3), dtype=torch.uint8)
    planes = rewritten(lambda x: x.permute(0, 3, 1, 2).float(), image)
    assert planes.is_contiguous()
    assert torch.equal(planes, image.permute(0, 3, 1, 2).float())
    assert 'permute' not in operations(lambda x: x.permute(0, 3, 1, 2).float(), image)


def test_other_maps_are_permuted_as_before():
    x = torch.randn(1, 4, 5, 8)
    assert operations(lambda x: x.permute(0, 3, 1, 2), x) == ['permute']


def test_channels_are_flipped():
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(rewritten(lambda x: x.flip(1), x), x.flip(1))
    assert 'flip' not in operations(lambda x: x.flip(1), x)
    assert torch.equal(rewritten(lambda x: x.flip(2), x), x.flip(2))


def test_a_slice_of_everything_is_left_out():
    x = torch.randn(1, 3, 4, 5)
    assert rewritten(lambda x: x[..., :4, :5], x) is x
    assert torch.equal(rewritten(lambda x: x[..., :3, 1:], x), x[..., :3, 1:])


@pytest.mark.parametrize('padding', [0, 1, (1, 0)])
@pytest.mark.parametrize('include', [True, False])
def test_zeros_around_a_pooled_map(padding, include):
    x = torch.randn(1, 3, 7, 10)

    def pool(x):
        return F.avg_pool2d(x, 3, stride=2, padding=padding, count_include_pad=include)

    torch.testing.assert_close(rewritten(pool, x), pool(x))
    assert ('pad' in operations(pool, x)) == (include and padding != 0)


@pytest.mark.parametrize('size', [(2, 3), (3, 5), (5, 1), 4, 1, (12, 18)])
def test_adaptive_pooling(size):
    x = torch.randn(2, 4, 12, 18)

    def pool(x):
        return F.adaptive_avg_pool2d(x, size)

    torch.testing.assert_close(rewritten(pool, x), pool(x))
    found = operations(pool, x)
    assert not any('adaptive' in name for name in found)
    assert 'arange' not in found  # its matrices are constants


@pytest.mark.parametrize(
    ('given', 'size', 'is_product'),
    [
        ((4, 5), (8, 10), True),
        ((4, 5), (12, 5), True),
        ((4, 5), (7, 9), True),
        ((4, 5), (6, 7), False),
        ((4, 5), (2, 3), False),
    ],
)
def test_nearest_neighbours(given, size, is_product):
    x = torch.randn(2, 3, *given)

    def resize(x):
        return F.interpolate(x, size, mode='nearest')

    assert torch.equal(rewritten(resize, x), resize(x))
    assert ('mul' in operations(resize, x)) == is_product


def test_other_resizing_stays():
    x = torch.randn(1, 3, 4, 5)
    for options in (
        dict(size=(8, 10), mode='bilinear', align_corners=True),
        dict(scale_factor=2, mode='nearest'),
    ):
        expected = F.interpolate(x, **options)
        assert torch.equal(rewritten(lambda x, o=options: F.interpolate(x, **o), x), expected)


@pytest.mark.parametrize('length', range(1, 9))
def test_repeats(length):
    for target in range(1, 30):
        ramp = torch.arange(length, dtype=torch.float32)[None, None]
        nearest = F.interpolate(ramp, target, mode='nearest').flatten().tolist()
        often = -(-target // length)
        assert repeats(length, target) == (nearest == [i // often for i in range(target)])
