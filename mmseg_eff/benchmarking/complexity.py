"""Parameters and multiply-adds of a segmentor, part by part, in two countings of one forward pass.

MACs are the multiply-adds of convolutions and matrix products. ESeg and EfficientDet print as FLOPs
half of what TensorFlow 1's profiler reports (``float_operation() // 2``). That adds half an
operation for each

- element that is made by an addition, subtraction, multiplication, division or the bias of a
  convolution or a linear layer;
- element that is read by a mean; all elements less the resulting ones for a sum;
- element in each window of a pooling;

and nothing for normalisation, activations (swish included, which TensorFlow would count: the
paper's figures fit without) and resizing. It also counts a dilated convolution of stride 1 on the
padded map on which TensorFlow runs it: SpaceToBatch pads the height H until the dilation r divides
it, cuts the map into r * r maps and convolves each, which makes r * ceil(H / r) rows instead of H;
columns likewise. Sources: flops_registry.py and with_space_to_batch in TensorFlow.

Counted is what runs at inference, up to the head's logits: no auxiliary head and no upsampling of
the logits, in neither counting. Shapes are all that is computed (torch's meta device), so the size
of network and image costs no memory.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from math import ceil, prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary

from ..config.load import as_config
from ..errors import InputError
from ..utils.user_errors import one_line

PARTS = ('backbone', 'neck', 'decode_head')


class Row(NamedTuple):
    """Figures of a part of a segmentor, or of the whole.

    Attributes:
        part: ``'backbone'``, ``'neck'``, ``'decode_head'`` or ``'total'``.
        parameters: Number of parameters.
        macs: Multiply-adds for one image.
        paper_macs: What the ESeg paper counts, which adds element-wise operations.
    """

    part: str
    parameters: int
    macs: int
    paper_macs: int


class Complexity(NamedTuple):
    """Result of ``complexity``.

    Attributes:
        size: Height and width of the image in pixels.
        rows: Figures of the backbone, the neck (if any) and the decode head.
        total: Figures of the whole network.
    """

    size: tuple[int, int]
    rows: list[Row]
    total: Row


def complexity(
    config: Config | str | Path,
    size: Sequence[int] | None = None,
    *,
    options: Mapping[str, object] | None = None,
) -> Complexity:
    """Count the parameters and multiply-adds of a segmentor for one image, without its memory.

        total = complexity('eseg-s_1xb16-90k_cityscapes-512x1024', (1024, 2048)).total
        print(f'{total.parameters / 1e6:.1f} M parameters, {total.macs / 1e9:.1f} G multiply-adds')

    Args:
        config: Config of a segmentor: a file, ``mmseg_eff::…``, a bare name, or a ``Config``, which
            is left as it is.
        size: Height and width of the image in pixels; the config's ``crop_size`` by default.
        options: Settings of the config to override, by dotted key.

    Raises:
        InputError: If the config has no segmentor or no size, or the network cannot run on it.
    """
    config = as_config(config, options)
    if not (config.get('model') or {}).get('backbone'):
        raise InputError('the config has no model with a backbone')
    if size is None:
        size = config.get('crop_size')
    if size is None:
        raise InputError('the config has no crop_size, so the image needs a size (H, W)')
    height, width = check_size(size)
    init_default_scope(config.get('default_scope', 'mmseg'))
    model = build_without_memory(config.model)
    model.eval()
    channels = config.model.backbone.get('in_channels', 3)
    image = torch.empty(1, channels, height, width, device='meta')
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=formulas()) as counter:
        try:
            model(image, mode='tensor')
        except RuntimeError as error:
            raise InputError(
                f'the network cannot run on {height}x{width}: {one_line(error)}'
            ) from error
    counts = counter.get_flop_counts()
    parts = {name: part for name in PARTS if (part := getattr(model, name, None)) is not None}
    parameters = {
        name: sum(parameter.numel() for parameter in part.parameters())
        for name, part in parts.items()
    }
    flops = {
        name: add_up(counts.get(f'{type(model).__name__}.{name}', {}))
        for name in ('backbone', 'neck')
    }
    in_all = add_up(counts.get('Global', {}))
    flops['decode_head'] = in_all - flops['backbone'] - flops['neck']  # is called without hooks
    rows = [Row(name, parameters[name], *(flops[name] // 2).tolist()) for name in parts]
    total = Row('total', sum(parameters.values()), *(in_all // 2).tolist())
    return Complexity((height, width), rows, total)


def check_size(size: Sequence[int | str]) -> tuple[int, int]:
    """Height and width as numbers.

    Raises:
        InputError: If they are not two whole numbers of at least 1.
    """
    try:
        height, width = map(int, size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise InputError(f'size must be two whole numbers of at least 1 (H, W), got {size}')
    return height, width


def build_without_memory(config: ConfigDict) -> nn.Module:
    """A model whose tensors have shapes and no values."""
    try:
        with torch.device('meta'):
            return MODELS.build(deepcopy(config))  # mmseg writes into it
    except RuntimeError:  # some networks compute numbers when they are built (drop path rates)
        return MODELS.build(deepcopy(config)).to('meta')


def add_up(counts: Mapping[Any, Any]) -> NDArray[np.int64]:
    """Sum over the kinds of operation, ``(2,)``; a plain number counts for both countings."""
    return np.zeros(2, np.int64) + sum(counts.values())


def formulas() -> dict[Any, Callable[..., NDArray[np.int64]]]:
    """What ``FlopCounterMode`` does not know: operations of torch to [flops, the paper's flops]."""
    sigmoids = WeakIdKeyDictionary()  # map -> what it is the sigmoid of

    def convolution(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        is_transposed: bool,
        *args,
        out_val: Tensor,
    ) -> NDArray:
        # Each weight is used once for every element of a channel of the input, if transposed, or
        # else of the output; a weight has only the input channels of its group.
        sides = padded = [*(x if is_transposed else out_val).shape[2:]]
        if not is_transposed and max(stride) == 1:
            padded = [r * ceil(side / r) for side, r in zip(sides, dilation, strict=True)]
        per_site = 2 * len(x) * weight.numel()
        bias_adds = 0 if bias is None else out_val.numel()
        return np.array([per_site * prod(sides), per_site * prod(padded) + bias_adds])

    def linear(bias: Tensor, x: Tensor, weight: Tensor, *, out_val: Tensor, **kwargs) -> NDArray:
        flops = 2 * out_val.numel() * x.shape[1]
        return np.array([flops, flops + out_val.numel()])

    def each_output(*args, out_val: Tensor, **kwargs) -> NDArray:
        return np.array([0, out_val.numel()])

    def multiplication(a: Tensor, b: Tensor | float, *, out_val: Tensor) -> NDArray:
        is_swish = sigmoids.get(a) is b or (isinstance(b, Tensor) and sigmoids.get(b) is a)
        return np.array([0, 0 if is_swish else out_val.numel()])

    def sigmoid(x: Tensor, *, out_val: Tensor) -> NDArray:
        sigmoids[out_val] = x
        return np.zeros(2, np.int64)

    def mean(x: Tensor, *args, out_val: Tensor, **kwargs) -> NDArray:
        return np.array([0, x.numel()])

    def total(x: Tensor, *args, out_val: Tensor, **kwargs) -> NDArray:
        return np.array([0, x.numel() - out_val.numel()])

    def pooling(x: Tensor, kernel_size: Sequence[int], *args, out_val, **kwargs) -> NDArray:
        out = out_val if isinstance(out_val, Tensor) else out_val[0]  # without the indices
        return np.array([0, prod(kernel_size) * out.numel()])

    def adaptive_pooling(x: Tensor, size: Sequence[int], *, out_val) -> NDArray:
        windows = [
            sum(-(-(i + 1) * side // num) - i * side // num for i in range(num))
            for side, num in zip(x.shape[-2:], size, strict=True)
        ]
        return np.array([0, prod(x.shape[:-2]) * prod(windows)])

    aten = torch.ops.aten
    table: dict[Any, Callable[..., NDArray[np.int64]]] = {
        aten.convolution: convolution,
        aten.addmm: linear,
        aten.mul: multiplication,
        aten.sigmoid: sigmoid,
        aten.mean: mean,
        aten.sum: total,
        aten.avg_pool2d: pooling,
        aten.max_pool2d_with_indices: pooling,
        aten._adaptive_avg_pool2d: adaptive_pooling,
        aten.adaptive_max_pool2d: adaptive_pooling,
    }
    others = (aten.add_, aten.sub_, aten.mul_, aten.div_, aten.add, aten.sub, aten.rsub, aten.div)
    table.update(dict.fromkeys(others, each_output))
    for formula in table.values():
        vars(formula)['_get_raw'] = True  # give it the tensors, not their shapes
    return table
