"""The memory format that convolutions run fastest in."""

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep the network's weights in channels-last memory format; its feature maps follow them.

    The same mathematics: only the order in memory, and so the rounding, changes.
    """

    def before_run(self, runner: Runner) -> None:
        """Convert the model in place."""
        runner.model.to(memory_format=torch.channels_last)
