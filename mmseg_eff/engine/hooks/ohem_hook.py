"""Hook that starts online hard example mining at an iteration and logs what it keeps."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn


@HOOKS.register_module()
class OHEMHook(Hook):
    """Switch ``OHEMCrossEntropy`` to mining at an iteration; log its limit and its kept share.

    The log has ``{head}.ohem_limit`` and ``{head}.ohem_kept`` of the iteration; a head with
    several such losses numbers them, ``ohem_0_limit``.

    Args:
        heads: Names of the model's heads, such as ``'decode_head'`` or ``'auxiliary_head.0'``.
        start: First iteration that mines; a plain cross-entropy before.

    Raises:
        ValueError: If ``start`` is negative, or no head is named. At the start of training, if a
            head does not exist or has no ``OHEMCrossEntropy``.
    """

    def __init__(self, heads: Sequence[str] = ('decode_head',), start: int = 0) -> None:
        if isinstance(heads, str) or not heads:
            raise ValueError(f'heads must be a list of one name or more, got {heads!r}')
        if not isinstance(start, int) or start < 0:
            raise ValueError(f'start must be an integer of 0 or more, got {start!r}')
        self.heads = tuple(heads)
        self.start = start
        self.losses: dict[str, nn.Module] = {}

    def before_train(self, runner: Runner) -> None:
        """Find the losses, by their switch ``is_mining``."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for head in self.heads:
            try:
                part = model.get_submodule(head)
            except AttributeError:
                raise ValueError(f'heads: the model has no part {head!r}') from None
            losses = [module for module in part.modules() if hasattr(module, 'is_mining')]
            if not losses:
                raise ValueError(f'heads: {head!r} has no OHEMCrossEntropy')
            for index, loss in enumerate(losses):
                number = f'_{index}' if len(losses) > 1 else ''
                self.losses[f'{head}.ohem{number}'] = loss

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Switch by the iteration alone, so that a training that resumes does the same."""
        for loss in self.losses.values():
            loss.is_mining = runner.iter >= self.start

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Log limit and kept share, under the prefix ``train/`` that mmengine's log line prints."""
        for name, loss in self.losses.items():
            runner.message_hub.update_scalar(f'train/{name}_limit', loss.limit)
            runner.message_hub.update_scalar(f'train/{name}_kept', loss.kept_share)
