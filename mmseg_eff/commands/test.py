"""Evaluate a checkpoint on the test data of its config."""

import argparse
from contextlib import nullcontext
from pathlib import Path

from mmengine.dist import is_main_process
from mmseg.registry import RUNNERS

from ..converters import load_weights
from ..dataset_check.build import check_datasets
from ..dataset_check.settle_labels import settle_labels
from ..datasets.image_reader import ImageReader, inference_pipeline
from ..engine.hooks.label_files_hook import LabelFilesHook
from ..engine.runner import network_of
from ..errors import InputError
from ..evaluation.evaluators import (
    add_confusion_matrix,
    check_format_only,
    give_output_dirs,
    labels_suffice,
)
from ..inference.augmentation import augment
from ..inference.dense_crf import refine_predictions
from ..models import predict_labels_only
from ..utils.output_folder import output_folder
from ..utils.user_errors import on_interrupt
from ..visualization.confusion_matrix import write_confusion_matrix
from ._arguments import ToolParser, checkpoint
from ._cli import (
    add_crf_options,
    add_output_stride,
    add_runner_arguments,
    build_crf,
    command,
    read_runner_config_of,
)

NEEDED = ('test_dataloader', 'test_evaluator', 'test_cfg')


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff test``."""
    add_runner_arguments(parser)
    parser.add_argument('checkpoint', type=checkpoint, help='checkpoint file or hub:NAME')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='write label PNGs as tools/predict.py does: class indices from 0, the folders kept '
        "(mmseg's output_dir adds 1 where reduce_zero_label is set)",
    )
    parser.add_argument(
        '--confusion-matrix',
        type=Path,
        metavar='DIR',
        help='write confusion_matrix.json and .png: pixels, and shares of each class',
    )
    parser.add_argument('--tta', action='store_true', help='test-time augmentation of the config')
    add_output_stride(parser)
    add_crf_options(parser)


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Parse the arguments of ``tools/test.py``, evaluate and print the metrics."""
    crf = build_crf(args)
    if crf and args.tta:
        raise InputError('--crf and --tta exclude each other: the CRF refines a single view')

    config = read_runner_config_of(args)
    for name in NEEDED:
        if config.get(name) is None:
            raise InputError(f'{args.config}: has no {name}')
    config.load_from, config.resume = None, False
    if args.out:
        give_output_dirs(config.test_evaluator, args.out)
    if args.tta:
        augment(config, args.config)
    settle_labels(config, 'test_dataloader')
    check_datasets(config, 'test_dataloader')
    runner = RUNNERS.build(config)
    model = network_of(runner).module if args.tta else network_of(runner)
    load_weights(model, args.checkpoint)
    loop = runner.test_loop
    check_format_only(loop.evaluator, args.out)
    matrix = add_confusion_matrix(loop.evaluator) if args.confusion_matrix else None
    if args.out:
        num_outputs = getattr(model, 'out_channels', None)
        runner.register_hook(LabelFilesHook(args.out, loop.dataloader.dataset, num_outputs))
    if crf:
        refine_predictions(model, crf, ImageReader(inference_pipeline(config)))
    elif not args.tta and labels_suffice(runner):
        predict_labels_only(model)
    kept = f'the labels written so far are kept in {args.out}' if args.out else 'nothing is kept'
    held = output_folder(args.out) if args.out else nullcontext()
    with held, on_interrupt(f'no metric; {kept}; start the command again'):
        runner.test()
    if matrix and is_main_process():
        classes = matrix.dataset_meta['classes']
        write_confusion_matrix(matrix.matrix, classes, args.confusion_matrix)
        print(f'{args.confusion_matrix}/confusion_matrix.json and .png')
    if crf:
        print(crf.timing())
