"""Dense prediction cell (Chen et al., NeurIPS 2018), https://arxiv.org/abs/1809.04184.

Context of several sizes as a searched graph; the published one is ``PUBLISHED_CELL``:

    map ─ 0 ─┬─ 1 ─ 2 ─┐
             ├─ 3 ─────┼─ concat of 0 to 4 ─ dropout ─ 1x1
             └─ 4 ─────┘
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn as nn
from mmcv.cnn import ConvModule
from torch import Tensor

from .aspp import DEEPLAB_BN, PooledConv, pair, same_size_conv, scaled_rate
from .output_stride import check_output_stride

OPS = ('conv', 'pyramid_pooling')
PUBLISHED_CELL = (  # Fig. 5; rates are (h, w)
    dict(kernel=3, rate=(1, 6), op='conv', input=-1),
    dict(kernel=3, rate=(18, 15), op='conv', input=0),
    dict(kernel=3, rate=(6, 3), op='conv', input=1),
    dict(kernel=3, rate=(1, 1), op='conv', input=0),
    dict(kernel=3, rate=(6, 21), op='conv', input=0),
)


class DensePredictionCell(nn.Module):
    """A graph of atrous separable convolutions and poolings, all of whose nodes are concatenated.

    Args:
        in_channels: Channels of the map ``(N, C, H, W)``.
        channels: Channels of every branch and of the output ``(N, channels, H, W)``.
        cell: A dict for each branch, as in the authors' JSON: ``op``; ``input``, -1 for the map or
            the number of an earlier branch; for ``'conv'`` its ``kernel`` (a number or two), 1x1 or
            separable, and the ``rate`` [h, w] of a larger one at output stride 16; for
            ``'pyramid_pooling'`` the ``grid_size`` [h, w], the parts of the map's sides to pool
            over.
        output_stride: 8, 16 or 32, of the map; scales the rates.
        image_pool_size: Size (h, w) that ``'pyramid_pooling'`` takes for the map's; see ``ASPP``.
        dropout_ratio: Dropout before the projection.
        norm_cfg: Config of all normalisation layers.
        align_corners: Convention of the upsampling of what is pooled.
        layer_cfgs: ``conv_cfg`` and ``act_cfg`` of all convolutions; see ``ConvModule``.

    Raises:
        ValueError: If the cell is wrong; the message names the branch.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        *,
        cell: Sequence[Mapping] = PUBLISHED_CELL,
        output_stride: int = 16,
        image_pool_size: Sequence[int] | None = None,
        dropout_ratio: float = 0.1,
        norm_cfg: dict | None = None,
        align_corners: bool = True,
        **layer_cfgs,
    ) -> None:
        super().__init__()
        layer_cfgs['norm_cfg'] = norm_cfg or DEEPLAB_BN
        check_output_stride(output_stride)
        check_cell(cell)
        self.inputs = [branch['input'] for branch in cell]
        self.branches = nn.ModuleList()
        for index, branch in enumerate(cell):
            width = in_channels if branch['input'] == -1 else channels
            module: nn.Module
            if branch['op'] == 'pyramid_pooling':
                module = PooledConv(
                    width,
                    channels,
                    pool_size=image_pool_size,
                    grid_size=branch['grid_size'],
                    align_corners=align_corners,
                    **layer_cfgs,
                )
            elif (kernel := pair(branch['kernel'], 'kernel')) == (1, 1):
                module = ConvModule(width, channels, 1, **layer_cfgs)
            else:
                name = f'rate of branch {index} of the cell'
                rates = pair(branch['rate'], name)
                module = same_size_conv(
                    width,
                    channels,
                    kernel,
                    dilation=tuple(scaled_rate(rate, output_stride, name) for rate in rates),
                    use_separable=True,
                    **layer_cfgs,
                )
            self.branches.append(module)
        self.dropout = nn.Dropout(dropout_ratio)
        self.projection = ConvModule(len(cell) * channels, channels, 1, **layer_cfgs)

    def forward(self, x: Tensor) -> Tensor:
        outs: list[Tensor] = []
        for index, branch in zip(self.inputs, self.branches, strict=True):
            outs.append(branch(x if index == -1 else outs[index]))
        return self.projection(self.dropout(torch.cat(outs, dim=1)))


def check_cell(cell: Sequence[Mapping]) -> None:
    """Raise ``ValueError`` with the first thing that is wrong in the description of a cell."""
    is_list = isinstance(cell, Sequence) and all(isinstance(branch, Mapping) for branch in cell)
    if not (is_list and cell):
        raise ValueError(f'cell must be a list of one or more dicts, got {cell!r}')
    for index, branch in enumerate(cell):
        where = f'of branch {index} of the cell must be'
        op, source = branch.get('op'), branch.get('input')
        if op not in OPS:
            raise ValueError(f'op {where} one of {OPS}, got {op!r}')
        if not isinstance(source, int) or not -1 <= source < index:
            allowed = ' (the map)' if index == 0 else f' (the map) to {index - 1}'
            raise ValueError(f'input {where} -1{allowed}, got {source!r}')
        if op == 'pyramid_pooling':
            pair(branch.get('grid_size'), f'grid_size of branch {index} of the cell')
            continue
        kernel = pair(branch.get('kernel'), f'kernel of branch {index} of the cell')
        if any(side % 2 == 0 for side in kernel):
            raise ValueError(f'kernel {where} odd, got {branch["kernel"]!r}')
        if kernel != (1, 1):
            pair(branch.get('rate'), f'rate of branch {index} of the cell')
