"""Check all pairs of the datasets of a config, and what they show together."""

import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from rich.progress import track

from ..datasets.class_weights import METHODS
from ..datasets.image_reader import ImageReader
from ..datasets.label_rules import LabelRules
from ..datasets.label_values import check_values
from ..errors import InputError
from ..utils.image_io import write_png
from ..utils.printing import console
from ..utils.signals import follow_parent
from ..utils.user_errors import on_interrupt
from .build import build_readable
from .checks import check_duplicates, check_folders, check_pair, dataset_pairs, values_of
from .findings import Finding, Pair, PairCheck
from .report import ClassFrequency, DatasetReport, SplitSummary, draw_pairs, write_report
from .settle_labels import settle_labels

SPLITS = ('train', 'val', 'test')
CHUNK = 8  # pairs a process takes at a time


class Part(NamedTuple):
    """One dataset of a split; wrappers such as ``ConcatDataset`` make several."""

    split: str
    dataset: BaseDataset
    rules: LabelRules
    reader: ImageReader
    pairs: list[Pair]


def check_splits(
    config: Config, name: str, splits: Sequence[str], workers: int | None, out: Path | None
) -> DatasetReport:
    """Check the datasets of a config.

    Args:
        config: The config; it is left as it is.
        name: What findings call it.
        splits: Those of ``SPLITS`` to check, where the config has them.
        workers: Processes; as many as cores by default.
        out: Folder for ``report.json`` and ``contact_sheet.png``.

    Raises:
        InputError: If the config has none of the splits; see also ``collect_parts``.
        OutputError: If a file cannot be written.
    """
    parts = collect_parts(config, splits)
    if not parts:
        raise InputError(f'{name}: has no data loader of {", ".join(splits)}')
    begin = time.perf_counter()
    checks = check_parts(parts, workers)
    seconds = time.perf_counter() - begin
    findings = collect_findings(parts, checks)
    present = list(dict.fromkeys(part.split for part in parts))
    findings += config_findings(config, name, present)
    summaries = {
        split: SplitSummary(
            sum(len(part.pairs) for part in parts if part.split == split),
            count_classes(parts, checks, split),
        )
        for split in present
    }
    findings += absent_classes(parts, summaries)
    report = DatasetReport(findings, summaries, seconds)
    if out:
        with on_interrupt(f'{out} holds no whole report; start it again'):
            write_files(out, report, parts[0], checks[0])
    return report


def collect_parts(config: Config, splits: Sequence[str]) -> list[Part]:
    """The datasets of the splits that a config has; ``test`` only where it is not ``val`` again.

    Raises:
        InputError: See ``build_datasets``.
    """
    parts: list[Part] = []
    for split in [split for split in SPLITS if split in splits]:
        name = f'{split}_dataloader'
        for dataset, reader in build_readable(config, name):
            pairs = dataset_pairs(dataset)
            is_val = pairs in [part.pairs for part in parts if part.split == 'val']
            if split != 'test' or not is_val:
                parts.append(Part(split, dataset, LabelRules.of(dataset), reader, pairs))
    return parts


def check_parts(parts: Sequence[Part], workers: int | None) -> list[list[PairCheck]]:
    """Check the pairs of each part in a pool of processes, with a progress bar."""
    with ProcessPoolExecutor(workers, initializer=follow_parent) as pool:
        results = [
            pool.map(
                partial(check_pair, rules=part.rules, reader=part.reader),
                part.pairs,
                chunksize=CHUNK,
            )
            for part in parts
        ]
        checks: Iterable[PairCheck] = track(
            chain.from_iterable(results),
            'checking',
            total=sum(len(part.pairs) for part in parts),
            console=console(stderr=True),
        )
        try:
            return [list(islice(checks, len(part.pairs))) for part in parts]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def collect_findings(parts: Sequence[Part], checks: Sequence[Sequence[PairCheck]]) -> list[Finding]:
    """What the pairs show, each by itself and together, and the files that are in no pair."""
    findings = [finding for part in checks for check in part for finding in check.findings]
    images = [
        (part.split, check.pair.image, check.digest)
        for part, part_checks in zip(parts, checks, strict=True)
        for check in part_checks
    ]
    findings += check_duplicates(images)
    paired = {
        os.path.abspath(path)
        for part in parts
        for info in part.dataset.load_data_list()
        for path in (info['img_path'], info.get('seg_map_path'))
        if path
    }
    values = [values_of(part_checks) for part_checks in checks]
    for part, own in zip(parts, values, strict=True):
        findings += check_folders(part.dataset, paired)
        alike = [
            other
            for other, its in zip(values, parts, strict=True)
            if its.rules.is_same_reading(part.rules)
        ]
        folder = part.dataset.data_prefix.get('seg_map_path')
        found = check_values(own, part.rules, alike)
        findings += [Finding(folder, kind, message) for kind, message in found]
    return list(dict.fromkeys(findings))  # parts may share a folder


def config_findings(config: Config, name: str, splits: Sequence[str]) -> list[Finding]:
    """What is wrong with the labels of a config by itself, found by ``settle_labels``.

    Args:
        config: The config; it is left as it is.
        name: What the findings call it.
        splits: Those to look at.
    """
    findings = []
    for split in splits:
        try:
            notes = settle_labels(deepcopy(config), f'{split}_dataloader')
        except InputError as error:
            findings.append(Finding(name, 'config', str(error)))
        else:
            findings += [Finding(name, 'more outputs', note) for note in notes]
    return list(dict.fromkeys(findings))  # of several splits


def count_classes(
    parts: Sequence[Part], checks: Sequence[Sequence[PairCheck]], split: str
) -> list[ClassFrequency]:
    """Frequency and suggested weights of each class in a split; empty without any labels."""
    classes = parts[0].dataset.metainfo['classes']
    counts, present, images = np.zeros((3, len(classes)), np.int64)
    for part, part_checks in zip(parts, checks, strict=True):
        for check in part_checks if part.split == split else ():
            if check.values is not None:
                in_image = part.rules.count_classes(check.values)
                counts += in_image
                present[in_image > 0] += in_image.sum()
                images += in_image > 0
    if not counts.any():
        return []
    weights = {name: method(counts, present).round(4) for name, method in METHODS.items()}
    return [
        ClassFrequency(
            name,
            int(counts[index]),
            round(float(counts[index] / counts.sum()), 6),
            int(images[index]),
            {method: float(values[index]) for method, values in weights.items()},
        )
        for index, name in enumerate(classes)
    ]


def absent_classes(parts: Sequence[Part], summaries: dict[str, SplitSummary]) -> list[Finding]:
    """A note on each class that never occurs in a split, unless its index is the ignored label."""
    ignored = {part.rules.ignore_index for part in parts}
    return [
        Finding(split, 'absent class', f'class {row.name!r} never occurs')
        for split, summary in summaries.items()
        for index, row in enumerate(summary.classes)
        if not row.pixels and index not in ignored
    ]


def write_files(out: Path, report: DatasetReport, part: Part, checks: Sequence[PairCheck]) -> None:
    """Write the report, and a contact sheet of the first part's pairs that have no error."""
    write_report(out / 'report.json', report)
    clean = [check.pair for check in checks if check.pair.label and not check.errors]
    if clean:
        sheet = draw_pairs(clean, part.reader, part.rules, part.dataset.metainfo['classes'])
        write_png(out / 'contact_sheet.png', sheet)
