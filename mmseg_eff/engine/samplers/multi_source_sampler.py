"""Batches with a fixed share of each source, such as half labelled and half pseudo-labelled."""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate, pairwise

from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import ConcatDataset

from .resumable_sampler import ResumableSampler


@DATA_SAMPLERS.register_module()
class MultiSourceSampler(ResumableSampler):
    """Passes over each dataset of a ``ConcatDataset``, with a fixed share in every batch.

    A batch holds the samples of the first dataset, then those of the second, and so on. Each
    dataset has passes of its own, whatever its size: all processes together draw each of its
    samples once before any of them again. An epoch has as many draws as all datasets have samples.

    Args:
        dataset: The ``ConcatDataset``.
        batch_size: Samples in a batch of one process, as in the data loader.
        source_ratio: Share of each dataset in a batch, in whole numbers.
        shuffle: Whether each pass has an order of its own.
        seed: See ``ResumableSampler``.

    Raises:
        ValueError: If the dataset is no ``ConcatDataset`` or has an empty part, or if
            ``batch_size`` cannot be divided by ``source_ratio``.
    """

    def __init__(
        self,
        dataset: ConcatDataset,
        batch_size: int,
        source_ratio: Sequence[int],
        shuffle: bool = True,
        seed: int | None = None,
    ) -> None:
        if not isinstance(dataset, ConcatDataset):
            raise ValueError(
                'MultiSourceSampler needs train_dataloader.dataset of the type ConcatDataset, '
                f'got {type(dataset).__name__}'
            )
        super().__init__(dataset, shuffle, seed)
        self.sizes = [end - begin for begin, end in pairwise([0, *dataset.cumulative_sizes])]
        if 0 in self.sizes:
            raise ValueError(f'dataset {self.sizes.index(0)} of the ConcatDataset has no samples')
        if len(source_ratio) != len(self.sizes) or any(
            not isinstance(share, int) or share < 1 for share in source_ratio
        ):
            raise ValueError(
                f'source_ratio must have {len(self.sizes)} whole numbers of 1 or more, one for '
                f'each dataset of the ConcatDataset, got {list(source_ratio)}'
            )
        unit, rest = divmod(batch_size, sum(source_ratio))
        if rest or not unit:
            raise ValueError(
                f'batch_size must be a multiple of {sum(source_ratio)} for source_ratio '
                f'{list(source_ratio)}, got {batch_size}'
            )
        self.batch_size = batch_size
        self.counts = [unit * share for share in source_ratio]  # in a batch of one process

    def locate(self, number: int) -> tuple[int, int]:
        """See ``ResumableSampler``; the batches of all processes have the same layout."""
        batch, place = divmod(number, self.batch_size * self.world_size)
        ends = [end * self.world_size for end in accumulate(self.counts)]
        source = bisect(ends, place)
        count = self.counts[source] * self.world_size
        return source, batch * count + place - (ends[source] - count)
