"""Moving average of the weights with a ramped decay, as TensorFlow's ``num_updates``."""

import torch
from mmengine.model import BaseAveragedModel
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class RampedEMA(BaseAveragedModel):
    """Exponential moving average with decay min(1 - momentum, (1 + n) / (10 + n)).

    The rule of TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``, which EfficientDet
    trains with: the initial weights do not dominate a short run. Use it through mmengine's hook,
    ``dict(type='EMAHook', ema_type='RampedEMA', momentum=0.0002, update_buffers=True)``.

    n is the number of updates before the present one. mmengine's first update, n = 0, copies the
    weights; the second averages with n = 1, a decay of 2 / 11. It counts every call in ``steps``
    (saved with the weights) and averages in every ``interval``-th, hence n = steps // interval.
    Integers, such as BN's ``num_batches_tracked``, are not averaged: they stay as first copied.

    mmengine's ``MomentumAnnealingEMA(gamma=9)`` is the same with n smaller by 1.

    Args:
        model: Model whose weights are averaged.
        momentum: Share of the new weights once the ramp is over: 1 - decay.
        interval: Calls from one update to the next.
        device: Device of the averages; ``None`` for the model's.
        update_buffers: Average the BN statistics, too, instead of copying them.

    Raises:
        ValueError: If the momentum is not between 0 and 1, or the interval not positive.
    """

    def __init__(
        self,
        model: nn.Module,
        momentum: float = 0.0002,
        interval: int = 1,
        device: torch.device | None = None,
        update_buffers: bool = False,
    ) -> None:
        if not 0 < momentum < 1:
            raise ValueError(f'momentum must be between 0 and 1, got {momentum!r}')
        if not isinstance(interval, int) or interval < 1:
            raise ValueError(f'interval must be an integer of 1 or more, got {interval!r}')
        super().__init__(model, interval, device, update_buffers)
        self.momentum = momentum

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: Tensor) -> None:
        """Move an average towards its source, in place, by 1 - decay."""
        n = int(steps) // self.interval
        decay = min(1 - self.momentum, (1 + n) / (10 + n))
        averaged_param.lerp_(source_param, 1 - decay)
