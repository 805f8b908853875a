"""The learning-rate schedule of ESPNetv2's segmentation training (EdgeNets, "hybrid")."""

from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmseg.registry import PARAM_SCHEDULERS


def hybrid_factor(epoch: int, cycle: int = 5, cycle_end: int = 61, num_epochs: int = 100) -> float:
    """Factor of the base learning rate in an epoch, counted from 0.

    1 in epoch 0; then warm restarts that fall from ``cycle`` to 1 in steps of 1, over and over;
    from epoch ``cycle_end`` on a straight line down to almost 0.
    """
    if epoch == 0:
        return 1.0
    if epoch < cycle_end:
        return float(cycle - (epoch - 1) % cycle)
    return max(0.0, 1 - (epoch - cycle_end + 1) / (num_epochs - cycle_end + 1))


@PARAM_SCHEDULERS.register_module()
class HybridLR(_ParamScheduler):
    """Warm restarts, then a linear decline; the optimiser's learning rate is the cycles' minimum.

    A function of the step alone, so training that resumes goes on inside its cycle.

    Args:
        optimizer: Optimiser or its wrapper.
        epoch_length: Iterations that count as an epoch; with ``by_epoch=True`` keep 1.
        cycle: Epochs of a cycle, and its highest factor.
        cycle_end: First epoch of the decline.
        num_epochs: Epochs of the schedule.
        begin: Step at which to begin.
        end: Step at which to stop changing the rate.
        last_step: Step to go on from; -1 to start.
        by_epoch: Whether a step is an epoch or an iteration.
        verbose: Log every change.

    Raises:
        ValueError: If the numbers of epochs cannot form a schedule.
    """

    def __init__(
        self,
        optimizer,
        epoch_length: int = 1,
        cycle: int = 5,
        cycle_end: int = 61,
        num_epochs: int = 100,
        *,
        begin: int = 0,
        end: int = 10**9,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if epoch_length < 1 or cycle < 1 or not 1 <= cycle_end <= num_epochs:
            raise ValueError(
                'HybridLR needs epoch_length and cycle >= 1, 1 <= cycle_end <= num_epochs, got '
                f'{epoch_length}, {cycle}, {cycle_end}, {num_epochs}'
            )
        self.epoch_length = epoch_length
        self.cycle = cycle
        self.cycle_end = cycle_end
        self.num_epochs = num_epochs
        super().__init__(optimizer, 'lr', begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> list[float]:
        epoch = self.last_step // self.epoch_length
        factor = hybrid_factor(epoch, self.cycle, self.cycle_end, self.num_epochs)
        return [base * factor for base in self.base_values]
