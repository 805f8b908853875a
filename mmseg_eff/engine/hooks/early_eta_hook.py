"""Hook that says early in a training how long it will take."""

import time
from datetime import timedelta

from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.runner import Runner


class EarlyEtaHook(Hook):
    """Log once, after a few iterations, how long the training will take.

    mmengine's ``LoggerHook`` says it first after ``interval`` iterations, 50 in our configs: on a
    CPU these are minutes. The first iteration, which is slower, is not timed.

    Args:
        iterations: Iterations to time. A training that is not longer than twice as many gets no
            line.
    """

    priority = 'BELOW_NORMAL'

    def __init__(self, iterations: int = 10) -> None:
        self.iterations = iterations
        self.begin = 0.0
        self.done = 0

    def before_train(self, runner: Runner) -> None:
        """Begin to count."""
        self.done = 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: DATA_BATCH = None,
        outputs: dict | None = None,
    ) -> None:
        """Count an iteration, and log the line after the last one that is timed."""
        self.done += 1
        left = runner.max_iters - runner.iter - 1
        if self.done == 1:
            self.begin = time.perf_counter()
        elif self.done == self.iterations + 1 and left >= self.iterations:
            seconds = (time.perf_counter() - self.begin) / self.iterations
            eta = timedelta(seconds=round(left * seconds))
            runner.logger.info(
                f'{seconds:.2f} s an iteration: about {eta} for the {left} that are left, '
                'without validations'
            )
