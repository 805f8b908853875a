"""Functions of necks and heads on a pyramid of maps."""

from collections.abc import Iterable, Sequence

from torch import Tensor
from torch.nn import functional as F


def pooled_levels(maps: Sequence[Tensor], num_levels: int) -> list[Tensor]:
    """Append levels of half the size each (rounded up) by 3x3 average pooling of stride 2.

    Args:
        maps: Maps ``(N, C_i, H_i, W_i)``, finest first.
        num_levels: Number of maps to return; the new ones have the channels of the last given.
    """
    levels = list(maps)
    while len(levels) < num_levels:
        levels.append(F.avg_pool2d(levels[-1], 3, stride=2, padding=1, count_include_pad=False))
    return levels


def weighted_sum(maps: Iterable[Tensor], factors: Sequence[float] | Tensor) -> Tensor:
    """Sum of maps ``(N, C, H, W)`` of one size, each times its factor.

    Args:
        maps: The maps; a generator saves memory, one map lives at a time.
        factors: A tensor of learned factors, or numbers.
    """
    if isinstance(factors, Tensor):
        return sum(x * factor for x, factor in zip(maps, factors, strict=True))
    maps = iter(maps)
    total = next(maps) * factors[0] if factors[0] != 1 else next(maps)
    for x, factor in zip(maps, factors[1:], strict=True):
        total = total.add(x, alpha=factor)
    return total


def check_channels(name: str, in_channels: Sequence[int], inputs: Sequence[Tensor]) -> None:
    """Raise ``ValueError`` unless ``inputs`` are maps of ``in_channels`` channels."""
    given = [x.shape[1] for x in inputs]
    if given != list(in_channels):
        raise ValueError(
            f'{name} was built for in_channels={list(in_channels)} and got maps of {given} channels'
        )
