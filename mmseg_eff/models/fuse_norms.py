"""Fold batch normalisation into the convolutions before it, where the data flow allows it.

Modules may run in another order than they are registered in. So one forward pass is traced: a norm
is folded into a convolution only if its input is exactly the output of that convolution, nothing
else takes that output, and both run once.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import torch
from mmseg.models import BaseSegmentor
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SIDES = (128, 256, 512)  # of the square image to trace; some networks refuse small ones


@torch.no_grad()
def fuse_norms(model: BaseSegmentor) -> dict[str, str]:
    """Fold the norms of a segmentor into convolutions, in place.

    Args:
        model: A segmentor in evaluation mode.

    Returns:
        Names of the norms that stay, each with the reason.
    """
    names = {
        module: name for name, module in model.named_modules() if isinstance(module, _BatchNorm)
    }
    if not names:
        return {}
    trace = follow(model)
    if trace is None:
        return dict.fromkeys(names.values(), 'the network runs on no image of zeros')
    reasons = {norm: trace.reason_against(norm) for norm in names}
    for norm, reason in reasons.items():
        if reason is None:
            conv = trace.convolution_before(norm)
            assert conv is not None  # or there were a reason
            fold(conv, norm)
    folded = {norm for norm, reason in reasons.items() if reason is None}
    for module in list(model.modules()):
        for name, child in list(module._modules.items()):  # a child may have several names
            if child in folded:
                setattr(module, name, nn.Identity())
    return {names[norm]: reason for norm, reason in reasons.items() if reason is not None}


def fold(conv: nn.Conv2d, norm: _BatchNorm) -> None:
    """Fold a norm in evaluation mode into the convolution before it; computed in float64."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None  # see Trace.reasons_against
    scale = (variance.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -mean.double()
    if conv.bias is not None:
        shift = shift + conv.bias.double()
    shift = shift * scale
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    weight = conv.weight.double() * scale.view(-1, 1, 1, 1)
    dtype = conv.weight.dtype
    conv.weight = nn.Parameter(weight.to(dtype).contiguous(), requires_grad=False)
    conv.bias = nn.Parameter(shift.to(dtype).contiguous(), requires_grad=False)


def follow(model: BaseSegmentor) -> 'Trace | None':
    """Trace a forward pass on an image that the network takes; ``None`` if it takes none."""
    parameter = next(model.parameters())
    for channels, side in itertools.product(possible_channels(model), SIDES):
        image = parameter.new_zeros(1, channels, side, side)
        trace = Trace(model)
        try:
            trace.run(image)
        except Exception:  # of the network: another size or number of channels may do
            continue
        return trace
    return None


def possible_channels(model: BaseSegmentor) -> list[int]:
    """Numbers of channels that the images may have, the likeliest first."""
    mean = getattr(model.data_preprocessor, 'mean', None)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    found = [
        getattr(getattr(model, 'backbone', None), 'in_channels', None),
        mean.numel() if mean is not None else None,
        convolutions[0].in_channels if convolutions else None,
        3,
        1,
    ]
    return list(dict.fromkeys(number for number in found if isinstance(number, int)))


class Trace(TorchDispatchMode):
    """Record the inputs and outputs of convolutions and norms in a forward pass.

    Sees every operation below autograd, so views, operations in place and functions that read a
    parameter count, too.
    """

    def __init__(self, model: BaseSegmentor) -> None:
        super().__init__()
        self.model = model
        self.readers: Counter[int] = Counter()  # operations that take a tensor, by its id
        self.runs: Counter[nn.Module] = Counter()  # of a module
        self.sources: dict[int, tuple[Tensor, Tensor | None]] = {}  # output -> weight and bias
        self.inputs: dict[nn.Module, Tensor] = {}  # of a norm
        self.outputs: dict[int, nn.Conv2d] = {}  # output -> its convolution
        self.alive: list[Tensor] = []  # outputs of convolutions, so that their ids stay unique

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Import no compiler: torch would, to keep it out of the method below."""
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        taken = {id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        self.readers.update(taken)
        if func is torch.ops.aten.convolution.default:
            self.sources[id(result)] = args[1], args[2]
            self.alive.append(result)
            self.readers[id(result)] = 0  # the id may have been that of an earlier tensor
        return result

    def run(self, image: Tensor) -> None:
        """Trace the segmentor on an image (1, C, H, W)."""
        size = tuple(image.shape[2:])
        meta = dict(img_shape=size, ori_shape=size, pad_shape=size, padding_size=[0] * 4)
        hooks: dict[type[nn.Module], Callable[..., None]]
        hooks = {nn.Conv2d: self.after_convolution, _BatchNorm: self.after_norm}
        with ExitStack() as stack:
            for module in self.model.modules():
                for kind, function in hooks.items():
                    if isinstance(module, kind):
                        handle = module.register_forward_hook(function)
                        stack.callback(handle.remove)
            stack.enter_context(self)
            results = self.model.encode_decode(image, [meta])
        self.readers.update(id(leaf) for leaf in tree_leaves(results))

    def after_convolution(self, module: nn.Conv2d, args: Sequence[Tensor], output: Tensor) -> None:
        self.runs[module] += 1
        self.outputs[id(output)] = module

    def after_norm(self, module: _BatchNorm, args: Sequence[Tensor], output: Tensor) -> None:
        self.runs[module] += 1
        self.inputs[module] = args[0]

    def convolution_before(self, norm: _BatchNorm) -> nn.Conv2d | None:
        """The convolution module whose output a norm took, if there is one."""
        return self.outputs.get(id(self.inputs.get(norm)))

    def reason_against(self, norm: _BatchNorm) -> str | None:
        """Why a norm must stay, or ``None`` if it can be folded."""
        return next(self.reasons_against(norm), None)

    def reasons_against(self, norm: _BatchNorm) -> Iterator[str]:
        if norm.training or norm.running_mean is None:
            yield 'it normalises by the statistics of the batch'
        if self.runs[norm] != 1:
            yield f'it runs {self.runs[norm]} times'
        conv = self.convolution_before(norm)
        if conv is None:
            yield 'its input is not the output of a convolution'
            return
        output = self.inputs[norm]
        if self.runs[conv] != 1:
            yield f'its convolution runs {self.runs[conv]} times'
        if self.readers[id(output)] != 1:
            yield 'the output of its convolution is used elsewhere, too'
        weight, bias = self.sources.get(id(output), (None, None))
        if weight is not conv.weight or bias is not conv.bias:
            yield 'its convolution does not use its weight as it is'
        if any(self.readers[id(value)] != 1 for value in (weight, bias) if value is not None):
            yield 'the weight of its convolution is used elsewhere, too'
        if any(has_hooks(module) for module in (conv, norm)):
            yield 'it or its convolution has hooks'


def has_hooks(module: nn.Module) -> bool:
    """Whether a module has hooks that run in its forward pass."""
    return bool(module._forward_hooks or module._forward_pre_hooks)
