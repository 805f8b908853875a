import pytest

from mmseg_eff.models.layers import atrous_strides

STRIDES = [2, 1, 2, 2, 1, 2, 1]  # of the units after a stem of stride 2


@pytest.mark.parametrize(
    ('output_stride', 'expected'),
    [
        (32, [(2, 1), (1, 1), (2, 1), (2, 1), (1, 1), (2, 1), (1, 1)]),
        (16, [(2, 1), (1, 1), (2, 1), (2, 1), (1, 1), (1, 1), (1, 2)]),
        (8, [(2, 1), (1, 1), (2, 1), (1, 1), (1, 2), (1, 2), (1, 4)]),
    ],
)
def test_units_after_a_dropped_stride_are_dilated(output_stride, expected):
    assert atrous_strides(STRIDES, output_stride) == expected


def test_the_stem_counts():
    assert atrous_strides([2, 2], 8, stem_stride=4) == [(2, 1), (1, 1)]


@pytest.mark.parametrize('output_stride', [4, 0, 64])
def test_other_output_strides_are_refused(output_stride):
    with pytest.raises(ValueError, match=f'output_stride must be 8, 16 or 32, got {output_stride}'):
        atrous_strides(STRIDES, output_stride)
