"""Label images by a network, the teacher, where it is sure, to train another one on them."""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from mmengine.dist import all_gather_object, barrier, get_dist_info

from ..config.load import load_config
from ..dataset_check.build import dataset_of
from ..dataset_check.settle_labels import check_num_outputs, ignored_label, rules_of
from ..datasets.image_reader import ImageReader, Loaded
from ..datasets.label_rules import DROPPED
from ..errors import InputError
from ..inference.inputs import collect_sources, suffixes_of
from ..inference.segmentor import load_segmentor
from ..models import optimize_for_inference
from ..self_training.class_balance import RANKS, keep_share, levels_of, ranks_of
from ..self_training.label_files import print_summary, read_record, summarise
from ..self_training.label_images import ALL, KEEP_ALL, check_settings, join_processes, label_images
from ..self_training.teacher import (
    PseudoLabel,
    build_views,
    choose_labels,
    mean_probabilities,
    threshold_of,
)
from ..self_training.thresholds import thresholds_of
from ..self_training.unlabelled_images import training_images
from ..utils.atomic_io import replacing, sha256_of
from ..utils.image_io import IMAGE_SUFFIXES
from ..utils.output_folder import output_folder
from ..utils.user_errors import on_interrupt
from ..visualization.overlay import color_table
from ._arguments import ToolParser, checkpoint, device, finite_number, whole_number
from ._cli import add_config_arguments, command, read_config_of

MORE = (
    ' A run that was stopped goes on where it was. Processes of torchrun with --launcher pytorch '
    'share the images.'
)


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff pseudo_label``."""
    add_config_arguments(parser)
    parser.add_argument(
        'checkpoint', type=checkpoint, help="the teacher's checkpoint file or hub:NAME"
    )
    parser.add_argument('images', nargs='*', metavar='IMAGE', help='file, folder or glob')
    parser.add_argument('--out', required=True, help='folder for labels/, overlays/, report.json')
    parser.add_argument(
        '--images-of',
        metavar='CONFIG',
        help='instead of IMAGE: the images of a training whose labels are sought in OUT/labels',
    )
    parser.add_argument(
        '--scales',
        nargs='+',
        type=finite_number,
        default=[0.5, 1.0, 2.0],
        help="factors of the test pipeline's size (0.5 1 2)",
    )
    parser.add_argument('--no-flip', action='store_true', help='do not mirror the images, too')
    parser.add_argument(
        '--confidence', type=finite_number, help='probability that a kept pixel exceeds (0.5)'
    )
    parser.add_argument(
        '--class-confidence', nargs='+', default=[], metavar='CLASS=NUMBER', help='that of classes'
    )
    parser.add_argument(
        '--class-share',
        type=finite_number,
        help='instead: keep this share of every class, the surest',
    )
    parser.add_argument(
        '--save-confidence', action='store_true', help='write confidence/ (0 to 255)'
    )
    parser.add_argument(
        '--overlays', type=whole_number(0), default=8, help='images to draw, the first (8)'
    )
    parser.add_argument(
        '--device', type=device, help='cpu, cuda:0, …; the first GPU if there is one'
    )
    parser.add_argument(
        '--launcher', choices=('none', 'pytorch'), default='none', help='job launcher'
    )


@command(add_arguments, intermixed=True)
def main(args: argparse.Namespace) -> int:
    """Parse the arguments of ``tools/pseudo_label.py`` and label; 1 if an image failed."""
    if min(args.scales) <= 0:
        raise InputError(f'--scales must be above 0, got {min(args.scales):g}')
    if bool(args.images) == bool(args.images_of):
        raise InputError('give either IMAGE… or --images-of CONFIG')
    config, out = read_config_of(args), Path(args.out)
    check_num_outputs(config)  # pseudo labels are label files of 8 bits
    gpu = join_processes(args.launcher)
    model = optimize_for_inference(load_segmentor(config, args.checkpoint, args.device or gpu))
    classes = list(model.dataset_meta['classes'])
    confidence, of_classes = thresholds_of(args, classes)
    for_all = KEEP_ALL if confidence is None else confidence
    thresholds = [of_classes.get(name, for_all) for name in classes]
    reader = ImageReader(config.test_pipeline)
    foreground = threshold_of(model)
    views = build_views(config.test_pipeline, args.scales, not args.no_flip)
    if args.images_of:
        training = load_config(
            args.images_of, safe_config=args.safe_config, allow_download=args.allow_download
        )
        ignored = rules_of(dataset_of(training, 'train_dataloader'), args.images_of).ignore_index
        sources = training_images(training, args.images_of, out / 'labels', classes)
    else:
        ignored = ignored_label(config)
        sources = collect_sources(args.images, (*IMAGE_SUFFIXES, *suffixes_of(config)))
    network = json.dumps([config.model, config.test_pipeline, classes], default=str)
    settings = dict(
        config_sha256=hashlib.sha256(network.encode()).hexdigest(),
        checkpoint_sha256=sha256_of(args.checkpoint),
        scales=args.scales,
        flip=not args.no_flip,
        confidence=confidence,
        class_confidence=of_classes,
        class_share=args.class_share,
        ignore_index=ignored,
        save_confidence=args.save_confidence,
        overlays=args.overlays,
    )
    if args.class_share is not None:
        settings['ranks'] = RANKS  # of OUT/all/confidence, which earlier versions wrote in 8 bits
    kept = f'the labels written so far are kept in {out}; the same command goes on'
    with output_folder(out), on_interrupt(kept):
        check_settings(out, settings)
        barrier()  # nobody writes a label before all have seen that they may

        # the surest pixels are chosen among labels that all ignore 255
        dropped = ignored if args.class_share is None else DROPPED

        def teach(image: Loaded) -> PseudoLabel:
            probabilities = mean_probabilities(model, views, image)
            return choose_labels(probabilities, thresholds, dropped, foreground)

        colors = color_table(model.dataset_meta['palette'])
        share = args.class_share
        if share is None:
            digits = levels_of if args.save_confidence else None
            failed = label_images(sources, out, reader, teach, colors, args.overlays, digits)
        else:
            failed = label_images(sources, out / ALL, reader, teach, colors, 0, ranks_of)
        failed = {path: why for each in all_gather_object(failed) for path, why in each.items()}
        done = [source for source in sources if str(source.path) not in failed]
        if share is not None:
            keep_share(
                done,
                out,
                out / ALL,
                reader,
                len(classes),
                share,
                colors,
                args.overlays,
                args.save_confidence,
                ignored,
            )
            barrier()
        if get_dist_info()[0] == 0:
            records = [read_record(out / 'labels' / f'{source.name}.png') for source in done]
            summary = summarise(records, classes)
            report = dict(config=args.config, checkpoint=args.checkpoint, **settings, **summary)
            with replacing(out / 'report.json') as temporary:
                temporary.write_text(json.dumps({**report, 'failed': failed}, indent=1) + '\n')
            print_summary(summary)
            for reason in failed.values():
                print(f'error: {reason}', file=sys.stderr)
    return 1 if failed else 0
