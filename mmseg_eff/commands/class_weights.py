"""Class weights of a data set, ready to paste into a config."""

import argparse
import json
from pathlib import Path

import numpy as np
from mmengine.registry import init_default_scope
from rich.progress import track
from rich.table import Table

from ..dataset_check.build import build_datasets, dataset_of, iterate_labels
from ..dataset_check.settle_labels import rules_of
from ..datasets.class_weights import METHODS, count_pixels
from ..datasets.label_rules import class_names
from ..errors import InputError
from ..utils.atomic_io import remove_leftovers, replacing
from ..utils.printing import console
from ._arguments import ToolParser, finite_number
from ._cli import add_config_arguments, command, read_config_of


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff class_weights``."""
    add_config_arguments(parser)
    parser.add_argument('--method', choices=sorted(METHODS), default='inverse-log')
    parser.add_argument(
        '--log-offset',
        type=finite_number,
        default=1.10,
        help='c of inverse-log: ESPNet 1.10, ENet 1.02',
    )
    parser.add_argument(
        '--count-ignored', action='store_true', help='treat ignored pixels as one more class'
    )
    parser.add_argument('--out', help='JSON file for the weights; class_weight can name it')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Parse the arguments of ``tools/class_weights.py``, count and print."""
    config = read_config_of(args)
    init_default_scope(config.get('default_scope', 'mmseg'))
    dataset = dataset_of(config, 'train_dataloader')
    datasets = build_datasets(dataset, 'train_dataloader')
    ignored = rules_of(dataset, 'train_dataloader.dataset').ignore_index
    names = class_names(datasets[0])
    void = np.int16(len(names))  # beyond the classes, even if the ignored label is the index of one
    labels = (np.where(label == ignored, void, label) for label in iterate_labels(datasets))
    if args.count_ignored:
        names.append('ignored')
    total = sum(map(len, datasets))
    labels = track(labels, 'counting', total=total, console=console(stderr=True))
    counts, present = count_pixels(labels, len(names))
    if not counts.any():
        raise InputError(
            f'{args.config}: all pixels of the training labels are ignored ({ignored})'
        )
    weights = METHODS[args.method](counts, present, args.log_offset).round(4).tolist()

    table = Table('class', 'pixels', 'share', 'weight')
    for name, count, weight in zip(names, counts, weights, strict=True):
        table.add_row(name, f'{count}', f'{100 * count / counts.sum():.3f} %', f'{weight:.4f}')
    console().print(table)
    print(f'class_weight={weights}')
    if args.out:
        remove_leftovers(Path(args.out).parent)
        with replacing(Path(args.out)) as temporary:
            temporary.write_text(json.dumps(weights) + '\n')
