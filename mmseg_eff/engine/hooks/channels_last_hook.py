"""Hook that runs the network in channels-last memory format, the fastest for convolutions."""

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn

from ...models import use_train_layers


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep weights and batches in channels-last memory format; the feature maps follow them.

    On a CPU, torch's convolutions and norms also become those of this package that are faster to
    train in this format (``use_train_layers``); checkpoints stay as they are.

    The same mathematics: only the order in memory, and so the rounding, changes. In several
    processes the weights stay as they are: torch's DDP lays out its buckets for the weights that
    it wraps, and would mix up the first gradients of weights that are converted afterwards.
    """

    def before_run(self, runner: Runner) -> None:
        """Convert the runner's model, or only its batches if it is wrapped."""
        if is_model_wrapper(runner.model):
            use_train_layers(runner.model.module)
            convert_batches(runner.model.module)
        else:
            self.convert(runner.model)

    @staticmethod
    def convert(model: BaseModel) -> None:
        """Convert a segmentor in place, and every batch after its data preprocessor."""
        use_train_layers(model)
        model.to(memory_format=torch.channels_last)
        convert_batches(model)


def convert_batches(model: BaseModel) -> None:
    """Convert every batch after a segmentor's data preprocessor."""
    model.data_preprocessor.register_forward_hook(batch_to_channels_last)


def batch_to_channels_last(module: nn.Module, args: tuple, batch: dict) -> dict:
    """Forward hook of a data preprocessor: ``batch['inputs']`` (N, C, H, W) in channels-last."""
    inputs = batch['inputs']
    return {**batch, 'inputs': inputs.contiguous(memory_format=torch.channels_last)}
