import pytest

from mmseg_eff.own_data.sizes import plan_training


@pytest.mark.parametrize(
    ('size', 'count', 'expected'),
    [
        ((360, 480), 367, ((360, 480), False, (360, 480), 8, 1800, 180)),
        ((1024, 2048), 2975, ((512, 1024), True, (512, 512), 8, 14900, 1490)),
        ((3000, 2000), 10, ((1024, 683), True, (512, 512), 2, 400, 40)),
        ((64, 96), 12, ((64, 96), False, (64, 96), 3, 400, 40)),
        ((500, 500), 10**6, ((500, 500), False, (500, 500), 8, 20000, 2000)),
    ],
)
def test_sizes_fit_the_images_and_their_number(size, count, expected):
    assert plan_training(size, count) == expected
