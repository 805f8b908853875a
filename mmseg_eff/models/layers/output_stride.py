"""Strides that become dilations (DeepLab, Chen et al., 2015 to 2018)."""

from collections.abc import Iterable

OUTPUT_STRIDES = (8, 16, 32)


def check_output_stride(output_stride: int) -> None:
    """Raise ``ValueError`` unless the output stride is 8, 16 or 32."""
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(f'output_stride must be 8, 16 or 32, got {output_stride}')


def atrous_strides(
    strides: Iterable[int], output_stride: int, stem_stride: int = 2
) -> list[tuple[int, int]]:
    """Stride and dilation of each unit of a network, in order.

    A stride beyond ``output_stride`` is dropped. The unit that loses it keeps the dilation that it
    was trained with; all units after it have the stride as a factor of theirs, as in the authors'
    code. Every value of the strided network's map is then one of the denser map.

    Args:
        strides: Strides of the units as they are at output stride 32.
        output_stride: 8, 16 or 32.
        stem_stride: Stride before the first unit.

    Raises:
        ValueError: If ``output_stride`` is none of the three.
    """
    check_output_stride(output_stride)
    placed = []
    total_stride, dilation = stem_stride, 1
    for stride in strides:
        if total_stride * stride > output_stride:
            placed.append((1, dilation))
            dilation *= stride
        else:
            placed.append((stride, dilation))
            total_stride *= stride
    return placed
