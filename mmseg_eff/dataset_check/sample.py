"""Check a sample of the files of each dataset before a training or a test."""

import os
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset
from numpy.typing import NDArray

from ..datasets.image_reader import ImageReader
from ..datasets.label_rules import LabelRules
from ..datasets.label_values import SHIFT, check_values
from ..errors import InputError
from .build import build_readable
from .checks import (
    Finding,
    Pair,
    PairCheck,
    check_label,
    check_pair,
    dataset_pairs,
    decode,
    values_of,
)

SAMPLE = 64  # pairs of a dataset that are decoded before a training, evenly spaced
TOLERATED = 'all ignored'  # one such label does no harm
OUT_OF_RANGE = 'label value'  # explained by the values of the other labels, if by anything
LISTS_ALL = 'tools/check_dataset.py CONFIG lists all'


class Sample(NamedTuple):
    """The labels of a dataset that were read, and those that were not."""

    dataset: BaseDataset
    rules: LabelRules
    checks: list[PairCheck]
    values: NDArray[np.int64]  # pixels of each value in the labels read (256,), added up in place
    unread: list[str]  # label files

    def read_one(self) -> None:
        """Add the values of the next unread label."""
        label = decode(self.unread.pop(), [])
        values = check_label(label, self.rules)[0] if label else None
        if values is not None:
            self.values[:] += values

    def faults(self, others: Iterable['Sample']) -> list[tuple[str, str]]:
        """What the values show together, with those of others that are read alike."""
        return list(check_values(self.values, self.rules, [other.values for other in others]))

    def example(self, fault: tuple[str, str]) -> str:
        """A label file that shows the fault by itself, or the folder of all."""
        for check in self.checks:
            label, values = check.pair.label, check.values
            if label and values is not None and fault in check_values(values, self.rules):
                return label
        return self.dataset.data_prefix['seg_map_path']


def check_datasets(config: ConfigDict, *names: str) -> dict[str, list[BaseDataset]]:
    """The fast part of ``tools/check_dataset.py``, for the named data loaders, where present.

    Every file must exist and not be empty; ``SAMPLE`` pairs of each dataset are decoded and
    checked.

    Returns:
        The datasets of each loader, for ``hand_over``.

    Raises:
        InputError: See ``build_datasets``, or the first error found.
    """
    samples = {
        name: [read_sample(dataset, reader) for dataset, reader in build_readable(config, name)]
        for name in names
    }
    check_together(list(chain.from_iterable(samples.values())))
    return {name: [sample.dataset for sample in read] for name, read in samples.items()}


def read_sample(dataset: BaseDataset, reader: ImageReader) -> Sample:
    """Check the pairs of a dataset that look wrong at once, and a sample.

    Raises:
        InputError: For the first wrong pair; for a label out of range, with what all show together.
    """
    rules, pairs = LabelRules.of(dataset), dataset_pairs(dataset)
    step = -(-len(pairs) // SAMPLE)
    checks, doubtful = [], []
    for pair in [*filter(is_suspect, pairs), *pairs[::step]]:
        checks.append(check_pair(pair, rules, reader))
        for finding in checks[-1].errors:
            if finding.kind == OUT_OF_RANGE:
                doubtful.append(finding)
            elif finding.kind != TOLERATED:
                raise fault_of(finding)
    values = values_of(checks)
    if doubtful:
        hints = [
            f'; a sample of its folder {message}' for _, message in check_values(values, rules)
        ]
        raise fault_of(doubtful[0], ''.join(hints))
    unread = [pair.label for index, pair in enumerate(pairs) if pair.label and index % step]
    return Sample(dataset, rules, checks, values, unread)


def fault_of(finding: Finding, hint: str = '') -> InputError:
    """The error of a finding."""
    return InputError(f'{finding.path}: {finding.message}{hint}; {LISTS_ALL}')


def check_together(samples: Sequence[Sample]) -> None:
    """Refuse what the labels show only together, such as masks of 0 and 255.

    A sample proves nothing by what it lacks: before anything is refused, further labels are read,
    until one of them speaks for the dataset.

    Raises:
        InputError: If no label does.
    """
    for sample in samples:
        alike = [other for other in samples if other.rules.is_same_reading(sample.rules)]
        while sample.unread and sample.faults(alike):
            sample.read_one()
        for other in alike:
            while other.unread and any(kind == SHIFT for kind, _ in sample.faults(alike)):
                other.read_one()
        for fault in sample.faults(alike):
            raise InputError(f'{sample.example(fault)}: {fault[1]}; {LISTS_ALL}')


def is_suspect(pair: Pair) -> bool:
    """Whether a file of the pair is missing or empty."""
    return not all(os.path.isfile(path) and os.path.getsize(path) for path in pair if path)
