import pytest
import torch
from torch.nn import functional as F

from mmseg_eff.models.layers import upsample_argmax

SIZES = [
    ((16, 24), (128, 192)),
    ((13, 17), (100, 133)),
    ((33, 33), (257, 257)),
    ((1, 9), (150, 70)),
    ((64, 80), (64, 80)),
    ((90, 120), (70, 61)),
    ((5, 7), (20, 28)),
]


def plain(logits, size, align_corners=False):
    return F.interpolate(logits, size, mode='bilinear', align_corners=align_corners).argmax(1)


def smooth(shape, generator):
    small = torch.randn(shape[0], shape[1], 3, 4, generator=generator)
    return F.interpolate(small, shape[2:], mode='bilinear') * 5


def ties(shape, generator):
    """Integers: many equal values, which upsampling by powers of two keeps equal."""
    return torch.randint(-2, 3, shape, generator=generator).float()


def constant(shape, generator):
    return torch.full(shape, 0.1)


def near_ties(shape, generator):
    """Classes that differ by a few units in the last place."""
    base = torch.randn(shape[0], 1, *shape[2:], generator=generator)
    steps = torch.randint(-2, 3, shape, generator=generator)
    return base * (1 + steps * 2**-23)


def crossing(shape, generator):
    """A third class that wins only between the winners of two neighbours."""
    x = torch.full(shape, -10.0)
    x[:, 0, :, ::2], x[:, 1, :, 1::2] = 10, 10
    x[:, -1] = 0.5
    return x


def huge(shape, generator):
    return torch.randn(shape, generator=generator) * 1e30


def noise(shape, generator):
    return torch.randn(shape, generator=generator)


KINDS = [noise, smooth, ties, constant, near_ties, crossing, huge]


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize(('small', 'size'), SIZES)
@pytest.mark.parametrize('kind', KINDS)
def test_equal_to_the_plain_way(kind, small, size, align_corners):
    generator = torch.Generator().manual_seed(0)
    for num_classes in (2, 3, 19):
        logits = kind((2, num_classes, *small), generator)
        labels = upsample_argmax(logits, size, align_corners=align_corners)
        assert labels.dtype == torch.uint8
        assert torch.equal(labels.long(), plain(logits, size, align_corners))


@pytest.mark.slow
def test_equal_in_a_thousand_cases():
    generator = torch.Generator().manual_seed(1)

    def draw(low, high):
        return int(torch.randint(low, high, (), generator=generator))

    for case in range(1000):
        small = (draw(1, 40), draw(1, 40))
        size = (draw(1, 300), draw(1, 300))
        logits = KINDS[case % len(KINDS)]((1, draw(2, 30), *small), generator)
        align_corners = bool(case // len(KINDS) % 2)
        labels = upsample_argmax(logits, size, align_corners=align_corners)
        assert torch.equal(labels.long(), plain(logits, size, align_corners)), (case, small, size)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_values_that_are_not_finite(value):
    logits = torch.randn(1, 5, 16, 16)
    logits[0, 3, 4:6, 7] = value
    assert torch.equal(upsample_argmax(logits, (128, 128)).long(), plain(logits, (128, 128)))


def test_many_classes_and_other_types():
    logits = torch.randn(1, 300, 9, 9)
    labels = upsample_argmax(logits, (80, 80))
    assert labels.dtype == torch.int16 and torch.equal(labels.long(), plain(logits, (80, 80)))
    half = torch.randn(1, 5, 9, 9).bfloat16()
    assert torch.equal(upsample_argmax(half, (80, 80)).long(), plain(half, (80, 80)))


def test_channels_last_logits_and_rows_of_one_pixel():
    logits = torch.randn(1, 8, 16, 24).to(memory_format=torch.channels_last)
    expected = plain(logits.contiguous(), (1, 200))
    assert torch.equal(upsample_argmax(logits, (1, 200)).long(), expected)
