"""Hook that freezes the statistics of batch normalisation."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch.nn.modules.batchnorm import _BatchNorm


@HOOKS.register_module()
class FrozenNormHook(Hook):
    """Keep batch normalisation in evaluation mode while the rest of the network trains.

    The official ESPNetv2 code freezes only scale and shift in its second stage: the statistics go
    on changing, and the batches' own are used. Scale and shift are frozen by the config, with
    ``norm_cfg=dict(type='SyncBN', requires_grad=False)``.

    Args:
        modules: Names of the model's parts to freeze it in.

    Raises:
        ValueError: At the start of training, if a part does not exist or has none.
    """

    def __init__(self, modules: Sequence[str] = ('backbone', 'neck')) -> None:
        self.modules = tuple(modules)
        self.norms: list[_BatchNorm] = []

    def before_train(self, runner: Runner) -> None:
        """Find the layers."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name in self.modules:
            part = getattr(model, name, None)
            norms = [m for m in part.modules() if isinstance(m, _BatchNorm)] if part else []
            if not norms:
                raise ValueError(f'FrozenNormHook: the model has no batch norm in {name!r}')
            self.norms += norms
        print_log(f'{len(self.norms)} batch norm layers keep their statistics', logger='current')

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Undo ``model.train()``, which the loops call after every validation."""
        for norm in self.norms:
            norm.eval()
