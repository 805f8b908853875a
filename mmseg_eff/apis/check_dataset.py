"""Check the files of all datasets of a config: every fault by file name, class frequencies."""

import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from rich.table import Table

from ..datasets.check_dataset import (
    NOTES,
    Finding,
    Pair,
    PairCheck,
    check_duplicates,
    check_folders,
    check_pair,
    dataset_pairs,
    values_of,
)
from ..datasets.class_weights import METHODS
from ..datasets.image_reader import ImageReader, to_display
from ..datasets.label_checks import LabelRules
from ..datasets.label_values import check_values
from ..errors import InputError
from ..files import replacing
from .arguments import whole_number
from .cli import config_parser, load_config, tool
from .contact_sheet import contact_sheet
from .datasets import build_readable
from .inference import color_table, draw_overlay
from .label_rules import settle_labels
from .output_folder import output_folder
from .printing import console
from .signals import follow_parent
from .sources import write_png
from .user_errors import on_interrupt

SPLITS = ('train', 'val', 'test')
CHUNK = 8  # pairs a process takes at a time
SHOWN = 20  # findings of a kind that are printed; the report holds all
NUM_ROWS = 8  # of the contact sheet
TILE_WIDTH = 480  # pixels


class Part(NamedTuple):
    """One data set of a split; wrappers such as ``ConcatDataset`` make several."""

    split: str
    dataset: BaseDataset
    rules: LabelRules
    reader: ImageReader
    pairs: list[Pair]


def collect_parts(config: Config, splits: Sequence[str]) -> list[Part]:
    """The data sets of the splits that a config has; ``test`` only where it is not ``val`` again.

    Raises:
        InputError: As of ``build_datasets``.
    """
    parts = []
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
        checks = [
            pool.map(
                partial(check_pair, rules=part.rules, reader=part.reader),
                part.pairs,
                chunksize=CHUNK,
            )
            for part in parts
        ]
        checks = track(
            chain.from_iterable(checks),
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


def config_findings(config: Config, path: str, splits: Sequence[str]) -> list[Finding]:
    """What is wrong with the labels of a config by itself, by ``settle_labels``.

    Args:
        config: The config; it is left as it is.
        path: Its file, for the findings.
        splits: Those to look at.
    """
    findings = []
    for split in splits:
        try:
            notes = settle_labels(deepcopy(config), f'{split}_dataloader')
        except InputError as error:
            findings.append(Finding(path, 'config', str(error)))
        else:
            findings += [Finding(path, 'more outputs', note) for note in notes]
    return list(dict.fromkeys(findings))  # of several splits


def count_classes(
    parts: Sequence[Part], checks: Sequence[Sequence[PairCheck]], split: str
) -> list[dict]:
    """Frequency and suggested weights of each class in a split; empty without any labels."""
    pixels = [
        part.rules.count_classes(check.values)
        for part, part_checks in zip(parts, checks, strict=True)
        for check in part_checks
        if part.split == split and check.values is not None
    ]
    if not np.any(pixels):
        return []
    pixels = np.array(pixels)  # (images, C)
    counts, occurs = pixels.sum(0), pixels > 0
    present = occurs.T @ pixels.sum(1)
    weights = {name: method(counts, present).round(4) for name, method in METHODS.items()}
    return [
        {
            'class': name,
            'pixels': int(counts[index]),
            'share': round(float(counts[index] / counts.sum()), 6),
            'images': int(occurs[:, index].sum()),
            'weights': {method: float(values[index]) for method, values in weights.items()},
        }
        for index, name in enumerate(parts[0].dataset.metainfo['classes'])
    ]


def print_findings(findings: Sequence[Finding]) -> None:
    """Print each finding, file first; of a kind with very many only the first ones."""
    printed = Counter()
    for path, kind, message in findings:
        printed[kind] += 1
        if printed[kind] <= SHOWN:
            print(f'{path}: {"note" if kind in NOTES else "error"}: {message}')
    for kind, count in printed.items():
        if count > SHOWN:
            print(f'… and {count - SHOWN} more of the kind {kind!r}; --out lists all')


def print_classes(rows: Sequence[dict]) -> None:
    """Print the classes' frequencies, and weights ready to paste."""
    table = Table('class', 'pixels', 'share', 'images', *METHODS)
    for row in rows:
        weights = [f'{weight:.4f}' for weight in row['weights'].values()]
        share = f'{100 * row["share"]:.3f} %'
        table.add_row(row['class'], f'{row["pixels"]}', share, f'{row["images"]}', *weights)
    console().print(table)
    print(f'class_weight={[row["weights"]["inverse-log"] for row in rows]}')


def draw_pairs(pairs: Sequence[Pair], part: Part) -> NDArray[np.uint8]:
    """Contact sheet of some pairs, evenly spaced: image, label, one over the other."""
    colors, rows = color_table(part.rules.palette), []
    colors[part.rules.ignore_index] = 0
    for pair in pairs[:: -(-len(pairs) // NUM_ROWS)]:
        image = to_display(part.reader.read(pair.image)['img'])
        with Image.open(pair.label) as file:
            label = part.rules.table[np.asarray(file, np.uint8)]
        rows.append((image, label, draw_overlay(image, label, colors)))
    titles = ('image', 'label (black: ignored)', 'both')
    scale = TILE_WIDTH / rows[0][0].shape[1]
    return contact_sheet(rows, colors, part.dataset.metainfo['classes'], titles, scale)


def write_report(path: Path, findings: Sequence[Finding], splits: dict[str, dict]) -> None:
    """Write all findings and the splits' classes as JSON."""
    listed = [
        dict(
            path=f.path, kind=f.kind, severity='error' if f.is_error else 'note', message=f.message
        )
        for f in findings
    ]
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(dict(findings=listed, splits=splits), indent=1) + '\n')


@tool
def main(argv: list[str] | None = None) -> int:
    """Parse the arguments of ``tools/check_dataset.py`` and check; 1 if there is an error."""
    parser = config_parser(__doc__)
    parser.add_argument('--out', help='folder for report.json and contact_sheet.png')
    parser.add_argument(
        '--splits', nargs='+', choices=SPLITS, default=SPLITS, help='those to check'
    )
    parser.add_argument(
        '--workers', type=whole_number(1), help='processes; as many as cores by default'
    )
    args = parser.parse_args(argv)

    config = load_config(args)
    init_default_scope(config.get('default_scope', 'mmseg'))
    parts = collect_parts(config, args.splits)
    if not parts:
        raise InputError(f'{args.config}: has no data loader of {", ".join(args.splits)}')
    begin = time.perf_counter()
    checks = check_parts(parts, args.workers)
    seconds = time.perf_counter() - begin
    findings = collect_findings(parts, checks)
    findings += config_findings(config, args.config, list(dict.fromkeys(p.split for p in parts)))
    splits, ignored = {}, {part.rules.ignore_index for part in parts}
    for split in dict.fromkeys(part.split for part in parts):
        num_pairs = sum(len(part.pairs) for part in parts if part.split == split)
        splits[split] = dict(pairs=num_pairs, classes=count_classes(parts, checks, split))
        for index, row in enumerate(splits[split]['classes']):
            if not row['pixels'] and index not in ignored:
                message = f'class {row["class"]!r} never occurs'
                findings.append(Finding(split, 'absent class', message))

    print_findings(findings)
    if rows := splits[parts[0].split]['classes']:
        print_classes(rows)
    num_errors = sum(finding.is_error for finding in findings)
    counted = ', '.join(f'{split} {row["pairs"]} pairs' for split, row in splits.items())
    num_notes = len(findings) - num_errors
    print(f'{counted}: {num_errors} errors, {num_notes} notes; read in {seconds:.1f} s')
    if args.out:
        out = Path(args.out)
        with output_folder(out), on_interrupt(f'{out} holds no whole report; start it again'):
            write_report(out / 'report.json', findings, splits)
            clean = [check.pair for check in checks[0] if check.pair.label and not check.errors]
            if clean:
                write_png(out / 'contact_sheet.png', draw_pairs(clean, parts[0]))
        print(f'report in {out}')
    return 1 if num_errors else 0
