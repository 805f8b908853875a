"""Train loops that resume exactly: random numbers depend on the seed and the position alone.

==========================  ===================================
random                      depends on the seed and
==========================  ===================================
order of the samples        number of the pass over the data
augmentation of a sample    number of its draw, over all passes
dropout and drop path       iteration and rank
==========================  ===================================

So loader workers, prefetching and validation change nothing, and resuming loads no earlier data.
"""

from collections.abc import Sequence

import torch
from mmengine.dist import broadcast
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmseg.registry import LOOPS
from torch import nn
from torch.utils.data import DataLoader

from ..errors import InputError
from .samplers.resumable_sampler import NETWORK, ResumableSampler, derive_seed, set_seed


class ResumableLoop:
    """Base of the resumable train loops: the seed, and the check of the sampler."""

    dataloader: DataLoader
    runner: Runner

    def check_sampler(self) -> ResumableSampler:
        """Return the sampler of the data loader; take over the current seed of the runner.

        Raises:
            InputError: If the data loader has another sampler, or one for another batch size.
        """
        sampler = self.dataloader.sampler
        if not isinstance(sampler, ResumableSampler):
            raise InputError(
                "train_dataloader.sampler must be a 'ResumableSampler' for "
                f'{type(self).__name__}, got {type(sampler).__name__}'
            )
        batch_size = self.dataloader.batch_size
        if sampler.batch_size not in (None, batch_size):
            raise InputError(
                f'train_dataloader.batch_size is {batch_size}, '
                f'that of its sampler {sampler.batch_size}: they must be equal'
            )
        seed = torch.tensor(self.runner.seed)
        broadcast(seed)  # with diff_rank_seed, that of each process differs
        self.seed = int(seed)
        return sampler

    def seed_network(self, iteration: int) -> None:
        """Set the random numbers that the network draws in an iteration on this rank."""
        set_seed(derive_seed(self.seed, NETWORK, iteration, self.runner.rank))


@LOOPS.register_module()
class ResumableIterBasedTrainLoop(ResumableLoop, IterBasedTrainLoop):
    """``IterBasedTrainLoop`` that resumes exactly, at a cost that does not grow; same arguments.

    mmengine's loop loads and discards all batches trained on, and random numbers start anew. The
    data loader needs ``sampler=dict(type='ResumableSampler')`` or ``MultiSourceSampler``. Gradients
    accumulated but not yet applied are lost at a stop, as in mmengine: ``accumulative_counts`` must
    divide the interval of the checkpoints.
    """

    def run(self) -> nn.Module:
        """Train, from the iteration that the runner resumed.

        Raises:
            InputError: See ``check_sampler``.
        """
        runner = self.runner
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        self.seek()
        while self._iter < self._max_iters and not self.stop_training:
            runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            self._decide_current_val_interval()
            is_due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
            if runner.val_loop is not None and self._iter >= self.val_begin and is_due:
                runner.val_loop.run()
        runner.call_hook('after_train_epoch')
        runner.call_hook('after_train')
        return runner.model

    def run_iter(self, data_batch: Sequence[dict]) -> None:
        """Train on a batch, with the random numbers of this iteration."""
        self.seed_network(self._iter)
        super().run_iter(data_batch)

    def seek(self) -> None:
        """Start at the data of the current iteration."""
        sampler = self.check_sampler()
        first = self._iter * self.dataloader.batch_size * sampler.world_size
        if (sampler.seed, sampler.first) != (self.seed, first):
            sampler.seed, sampler.first = self.seed, first
            self.dataloader_iterator = iter(self.dataloader)


@LOOPS.register_module()
class ResumableEpochBasedTrainLoop(ResumableLoop, EpochBasedTrainLoop):
    """``EpochBasedTrainLoop`` that resumes exactly, inside an epoch too; same arguments.

    An epoch is a pass over the dataset in batches; with several processes or ``MultiSourceSampler``
    it is rounded up to complete rounds of all processes or to full batches. ``SegRunner`` uses it
    in place of mmengine's loop where the sampler is one of ours. For accumulated gradients see
    ``ResumableIterBasedTrainLoop``.
    """

    def run_epoch(self) -> None:
        """Train on the rest of the current epoch.

        Raises:
            InputError: If a checkpoint's iteration is not in its epoch. See also
                ``check_sampler``.
        """
        runner = self.runner
        runner.call_hook('before_train_epoch')
        runner.model.train()
        begin = self.seek()
        for index, data_batch in enumerate(self.dataloader, begin):
            self.run_iter(index, data_batch)
        runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """Train on a batch, with the random numbers of this iteration."""
        self.seed_network(self._iter)
        super().run_iter(idx, data_batch)

    def seek(self) -> int:
        """Start at the data of the current iteration; return its number in its epoch."""
        sampler, length = self.check_sampler(), len(self.dataloader)
        index = self._iter - self._epoch * length
        if not 0 <= index <= length:  # length: saved after the last iteration of the epoch
            raise InputError(
                f'the checkpoint is of iteration {self._iter} in epoch {self._epoch + 1}, but an '
                f'epoch has {length} iterations now: resume with the batch size, processes and '
                'dataset of before, or start from its weights, with load_from and resume=False'
            )
        draws = len(sampler) * sampler.world_size
        begin = self._epoch * draws
        sampler.seed = self.seed
        sampler.first = begin + index * self.dataloader.batch_size * sampler.world_size
        sampler.end = begin + draws
        return index
