"""Training that stops and resumes as if it had not: no random number depends on what a stop loses.

==========================  ===================================
random                      depends on the seed and
==========================  ===================================
order of the samples        number of the pass over the data
augmentation of a sample    number of its draw, over all passes
dropout and drop path       iteration and rank
==========================  ===================================

So loader workers, prefetching and validation change nothing, and any position is reached at once.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dist import broadcast, get_dist_info, sync_random_seed
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from mmseg.registry import DATA_SAMPLERS, LOOPS
from torch import nn
from torch.utils.data import Dataset, Sampler

from ..errors import InputError

ORDER, AUGMENTATION, NETWORK = range(3)  # keep their random numbers apart


class Draw(NamedTuple):
    """A sample and the seed of its augmentation."""

    index: int
    seed: int


def derive_seed(*key: int) -> int:
    """A seed (32 bits) that depends on all the numbers."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def set_seed(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def load_draws(dataset: Dataset, draws: Sequence[Draw]) -> list:
    """The samples of a batch, each with its own random numbers."""
    samples = []
    for draw in draws:
        set_seed(draw.seed)
        samples.append(dataset[draw.index])
    return samples


@DATA_SAMPLERS.register_module()
class ResumableSampler(Sampler):
    """Passes over a dataset, from any position on, as ``Draw``.

    They are endless for a training by iterations and end with each epoch for
    ``ResumableEpochBasedTrainLoop``. The passes have one order for all processes, which take its
    draws in turn. Torch's loader gets batches by ``dataset.__getitems__``, which this sets to
    ``load_draws``.

    Args:
        dataset: The dataset; a subclass of torch's.
        shuffle: Whether each pass has an order of its own.
        seed: Seed of order and augmentation; the resumable train loops set the runner's.
    """

    batch_size: int | None = None  # the only one that the loader may have, if there is one

    def __init__(self, dataset: Dataset, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.sizes = [len(dataset)]
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.first = 0  # draw, counted over all processes, to begin with
        self.end: int | None = None  # draw before which to stop; None for endless passes
        dataset.__getitems__ = partial(load_draws, dataset)

    def __iter__(self) -> Iterator[Draw]:
        """Draw this process's samples."""
        orders = [lru_cache(1)(partial(self.order, source)) for source in range(len(self.sizes))]
        for number in itertools.count(self.first + self.rank, self.world_size):
            if self.end is not None and number >= self.end:
                return
            source, turn = self.locate(number)
            pass_number, position = divmod(turn, self.sizes[source])
            index = int(orders[source](pass_number)[position])
            yield Draw(index, derive_seed(self.seed, AUGMENTATION, number))

    def locate(self, number: int) -> tuple[int, int]:
        """The source of a draw, and the draw's number among those of the source."""
        return 0, number

    def order(self, source: int, pass_number: int) -> np.ndarray:
        """Indices of a source's samples in one of its passes, which are counted from 0."""
        start, size = sum(self.sizes[:source]), self.sizes[source]
        if not self.shuffle:
            return np.arange(start, start + size)
        rng = np.random.default_rng([self.seed, ORDER, pass_number, source])
        return start + rng.permutation(size)

    def __len__(self) -> int:
        """Draws of this process in an epoch: its share of the dataset's length, rounded up."""
        unit = self.batch_size or 1
        return -(-sum(self.sizes) // (unit * self.world_size)) * unit


class ResumableLoop:
    """What the resumable train loops share: the seed, and the position of the sampler."""

    def check_sampler(self) -> None:
        """Take over the seed that the runner has now.

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
        self.seed = seed.item()

    def run_iter(self, *batch: object) -> None:
        """Train on a batch, with the random numbers of this iteration."""
        set_seed(derive_seed(self.seed, NETWORK, self._iter, self.runner.rank))
        super().run_iter(*batch)


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

    def seek(self) -> None:
        """Begin with the data of the present iteration."""
        self.check_sampler()
        sampler = self.dataloader.sampler
        first = self._iter * self.dataloader.batch_size * sampler.world_size
        if (sampler.seed, sampler.first) != (self.seed, first):
            sampler.seed, sampler.first = self.seed, first
            self.dataloader_iterator = iter(self.dataloader)


@LOOPS.register_module()
class ResumableEpochBasedTrainLoop(ResumableLoop, EpochBasedTrainLoop):
    """``EpochBasedTrainLoop`` that resumes exactly, inside an epoch too; same arguments.

    An epoch is a pass over the dataset in batches; with several processes or ``MultiSourceSampler``
    it is rounded up to whole rounds of all processes or to whole batches. ``SegRunner`` takes this
    loop for mmengine's where the sampler is one of ours. About gradients that are accumulated see
    ``ResumableIterBasedTrainLoop``.
    """

    def run_epoch(self) -> None:
        """Train on what is left of the present epoch.

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

    def seek(self) -> int:
        """Begin with the data of the present iteration; its number in its epoch."""
        self.check_sampler()
        sampler, length = self.dataloader.sampler, len(self.dataloader)
        index = self._iter - self._epoch * length
        if not 0 <= index <= length:  # length: saved after the last iteration of the epoch
            raise InputError(
                f'the checkpoint is of iteration {self._iter} in epoch {self._epoch + 1}, but an '
                f'epoch has {length} iterations now: resume with the batch size, processes and '
                'dataset of before, or begin anew from its weights, with load_from and resume=False'
            )
        draws = len(sampler) * sampler.world_size
        begin = self._epoch * draws
        sampler.seed = self.seed
        sampler.first = begin + index * self.dataloader.batch_size * sampler.world_size
        sampler.end = begin + draws
        return index
