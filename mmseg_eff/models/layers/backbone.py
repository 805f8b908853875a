"""Base of the backbones: frozen stages and statistics, checkpointing, levels to return."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.nn as nn
from mmengine.model import BaseModule
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

Output = TypeVar('Output')  # of a part: a tensor or a tuple of tensors


class Backbone(BaseModule):
    """A backbone with mmseg's arguments for fine-tuning; call ``freeze`` once all layers are built.

    Args:
        frozen_stages: Last stage that is not trained: its weights and statistics stay, as do those
            of the stem and of all stages before. 0 freezes the stem alone, -1 nothing.
        norm_eval: Keep the statistics of batch normalisation in training.
        with_cp: Compute the blocks' inner maps again in the backward pass instead of keeping them.
            As in mmseg, batch normalisation then sees each batch twice.
        init_cfg: Initialisation config of mmengine.
    """

    def __init__(
        self,
        *,
        frozen_stages: int,
        norm_eval: bool,
        with_cp: bool,
        init_cfg: dict | list[dict] | None,
    ) -> None:
        super().__init__(init_cfg)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.with_cp = with_cp

    def parts(self) -> list[list[nn.Module]]:
        """Layers of the stem, then those of each stage."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Stop the training of the frozen stages.

        Raises:
            ValueError: If there are not so many stages.
        """
        num_stages = len(self.parts()) - 1
        if self.frozen_stages not in range(-1, num_stages + 1):
            raise ValueError(
                f'frozen_stages must be -1 to {num_stages}, got {self.frozen_stages!r}'
            )
        for part in self.parts()[: self.frozen_stages + 1]:
            for layer in part:
                layer.requires_grad_(False)

    def train(self, mode: bool = True) -> 'Backbone':
        """Set the mode of all that is not frozen."""
        super().train(mode)
        if mode and self.frozen_stages >= 0:
            for part in self.parts()[: self.frozen_stages + 1]:
                for layer in part:
                    layer.eval()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def run(self, part: Callable[..., Output], *inputs: torch.Tensor | None) -> Output:
        """``part(*inputs)``, with ``with_cp`` block by block."""
        if not (self.with_cp and self.training and torch.is_grad_enabled()):
            return part(*inputs)
        output: Any = inputs[0]
        for block in part if isinstance(part, nn.Sequential) else [part]:
            output = checkpoint(block, *inputs, use_reentrant=False)
            inputs = (output,)
        return output


def check_out_indices(out_indices: Sequence[int], num_levels: int) -> tuple[int, ...]:
    """The levels to return, in the order given.

    Raises:
        ValueError: If they are not one or more of the numbers from 0 to ``num_levels - 1``.
    """
    allowed = tuple(range(num_levels))
    if isinstance(out_indices, int):
        raise ValueError(
            f'out_indices must be a list chosen from {allowed}, got the int {out_indices}: write '
            f'({out_indices},)'
        )
    if not len(out_indices) or any(i not in allowed or isinstance(i, bool) for i in out_indices):
        raise ValueError(f'out_indices must be chosen from {allowed}, got {out_indices}')
    return tuple(out_indices)
