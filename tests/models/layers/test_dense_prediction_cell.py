import pytest
import torch
from plain import conv_norm_relu, separable, with_statistics
from torch.nn import functional as F

from mmseg_eff.models.layers.dense_prediction_cell import PUBLISHED_CELL, DensePredictionCell

CONV = dict(op='conv', kernel=3, rate=[1, 1], input=-1)


@pytest.mark.parametrize(('output_stride', 'factor'), [(16, 1), (8, 2)])
def test_published_cell_is_its_graph(output_stride, factor):
    net = with_statistics(DensePredictionCell(6, 4, output_stride=output_stride))
    x = torch.randn(2, 6, 9, 11)

    def branch(index, source, height, width):
        return separable(net.branches[index], source, dilation=(factor * height, factor * width))

    first = branch(0, x, 1, 6)
    second = branch(1, first, 18, 15)
    outs = [
        first,
        second,
        branch(2, second, 6, 3),
        branch(3, first, 1, 1),
        branch(4, first, 6, 21),
    ]
    expected = conv_norm_relu(net.projection, torch.cat(outs, dim=1))
    torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('pool_size', [None, (6, 8)])
def test_pyramid_pooling_and_other_kernels(pool_size):
    cell = [
        dict(op='pyramid_pooling', grid_size=[2, 3], input=-1),
        dict(op='conv', kernel=1, input=0),
        dict(op='conv', kernel=[1, 5], rate=[1, 2], input=-1),
    ]
    net = with_statistics(DensePredictionCell(3, 4, cell=cell, image_pool_size=pool_size))
    x = torch.randn(1, 3, 7, 10)
    height, width = (4, 4) if pool_size is None else (3, 3)  # ceil of the sides / (2, 3)
    pooled = x.unfold(2, height, 1).unfold(3, width, 1).mean((-2, -1))
    pooled = conv_norm_relu(net.branches[0].conv, pooled)
    pooled = F.interpolate(pooled, (7, 10), mode='bilinear', align_corners=True)
    outs = [
        pooled,
        conv_norm_relu(net.branches[1], pooled),
        separable(net.branches[2], x, dilation=(1, 2)),
    ]
    expected = conv_norm_relu(net.projection, torch.cat(outs, dim=1))
    torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-5)


def test_dropout_is_before_the_projection():
    net = DensePredictionCell(3, 4, dropout_ratio=1.0)
    with_statistics(net).dropout.train()
    nothing = conv_norm_relu(net.projection, torch.zeros(1, 20, 5, 6))
    torch.testing.assert_close(net(torch.randn(1, 3, 5, 6)), nothing)


@pytest.mark.parametrize('size', [(1, 2), (5, 5), (8, 3)])
def test_trains_on_one_image_of_any_size(size):
    cell = [*PUBLISHED_CELL, dict(op='pyramid_pooling', grid_size=[1, 1], input=2)]
    net = DensePredictionCell(4, 8, cell=cell)
    out = net(torch.randn(1, 4, *size))
    assert out.shape == (1, 8, *size)
    out.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    ('cell', 'message'),
    [
        ([], 'cell must be a list of one or more dicts, got []'),
        ({'op': 'conv'}, "cell must be a list of one or more dicts, got {'op': 'conv'}"),
        (
            [CONV, dict(CONV, op='pool')],
            "op of branch 1 of the cell must be one of ('conv', 'pyramid_pooling'), got 'pool'",
        ),
        ([dict(CONV, input=0)], 'input of branch 0 of the cell must be -1 (the map), got 0'),
        (
            [CONV, CONV, dict(CONV, input=2)],
            'input of branch 2 of the cell must be -1 (the map) to 1, got 2',
        ),
        (
            [dict(op='conv', rate=[1, 1], input=-1)],
            'kernel of branch 0 of the cell must be two whole numbers (h, w) of 1 or more, '
            'got None',
        ),
        ([dict(CONV, kernel=2)], 'kernel of branch 0 of the cell must be odd, got 2'),
        (
            [CONV, dict(op='conv', kernel=3, input=0)],
            'rate of branch 1 of the cell must be two whole numbers (h, w) of 1 or more, got None',
        ),
        (
            [dict(CONV, rate=[1, 6, 2])],
            'rate of branch 0 of the cell must be two whole numbers (h, w) of 1 or more, '
            'got [1, 6, 2]',
        ),
        (
            [dict(op='pyramid_pooling', input=-1)],
            'grid_size of branch 0 of the cell must be two whole numbers (h, w) of 1 or more, '
            'got None',
        ),
    ],
)
def test_wrong_cell_is_named(cell, message):
    with pytest.raises(ValueError) as error:
        DensePredictionCell(4, cell=cell)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ('output_stride', 'message'),
    [
        (4, 'output_stride must be 8, 16 or 32, got 4'),
        (32, 'rate of branch 0 of the cell must be even at output_stride=32, got 1'),
    ],
)
def test_wrong_output_stride_is_named(output_stride, message):
    with pytest.raises(ValueError, match=message):
        DensePredictionCell(4, output_stride=output_stride)
