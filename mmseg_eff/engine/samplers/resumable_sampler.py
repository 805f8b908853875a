"""Sampler that starts at any position: order and augmentation depend on seed and position."""

import itertools
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from ...datasets.protocols import SizedDataset

ORDER, AUGMENTATION, NETWORK = range(3)  # keys of independent random numbers


class Draw(NamedTuple):
    """A sample and the seed of its augmentation."""

    sample: int
    seed: int


def derive_seed(*key: int) -> int:
    """A seed (32 bits) that depends on all the numbers."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def set_seed(seed: int) -> None:
    """Seed Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def load_draws(dataset: SizedDataset, draws: Sequence[Draw]) -> list:
    """The samples of a batch, each with its own random numbers."""
    samples = []
    for draw in draws:
        set_seed(draw.seed)
        samples.append(dataset[draw.sample])
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

    batch_size: int | None = None  # that the data loader must have; None allows any

    def __init__(
        self, dataset: SizedDataset, shuffle: bool = True, seed: int | None = None
    ) -> None:
        self.rank, self.world_size = get_dist_info()
        self.sizes = [len(dataset)]
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.first = 0  # draw, counted over all processes, to begin with
        self.end: int | None = None  # draw before which to stop; None for endless passes
        vars(dataset)['__getitems__'] = partial(load_draws, dataset)

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
