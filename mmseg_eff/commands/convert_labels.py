"""Convert COCO annotations or VOC labels into PNGs of class indices."""

import argparse
from pathlib import Path

from ..datasets.coco_labels import (
    IGNORED,
)
from ..datasets.convert_labels import DATASETS, OWN, convert_coco, convert_voc, metainfo_file
from ..utils.output_folder import output_folder
from ..utils.user_errors import on_interrupt
from ._arguments import ToolParser, whole_number
from ._cli import command

USE = (
    'OUT.metainfo.json and .py hold the classes, background first, and a palette: name the .py in '
    "a config's _base_ and write metainfo=dict(classes=_base_.classes, palette=_base_.palette)."
)


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff convert_labels``."""
    sources = parser.add_subparsers(dest='source', required=True)
    coco = sources.add_parser(
        'coco', help='instance annotations; also writes OUT.txt, OUT.metainfo.json', epilog=USE
    )
    coco.add_argument('annotations', help='such as instances_train2017.json')
    coco.add_argument(
        '--min-size',
        type=whole_number(0),
        help="shorter side of the smallest image (1; with VOC's classes 256)",
    )
    coco.add_argument(
        '--classes',
        choices=(OWN, *DATASETS),
        default=OWN,
        help="own: the file's categories are 1, 2, … in its order, 0 is background (the default); "
        "voc, foreground: VOC's classes by COCO's ids, whose names are checked",
    )
    coco.add_argument(
        '--like', metavar='METAINFO', help="OUT.metainfo.json of another split: that one's classes"
    )
    voc = sources.add_parser('voc', help='label PNGs with VOC indices, checked')
    voc.add_argument('labels', help='folder such as SegmentationClassAug')
    voc.add_argument('--classes', choices=DATASETS, default='voc', help='what labels mean')
    for source in (coco, voc):
        source.add_argument('out', help='folder for the label PNGs')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Parse the arguments of ``tools/convert_labels.py`` and convert."""
    out = Path(args.out).resolve()
    kept = f'the labels written so far are kept in {out}; start the command again'
    with output_folder(out), on_interrupt(kept):
        if args.source == 'coco':
            names, meaning = convert_coco(
                Path(args.annotations),
                out,
                args.classes,
                args.min_size,
                Path(args.like) if args.like else None,
            )
            print(f'{out}: {len(names)} labels, listed in {out}.txt')
            classes = ', '.join(f'{label} {name}' for label, name in enumerate(meaning.names))
            print(f'{metainfo_file(out)}: {classes}, {IGNORED} ignored')
        else:
            print(f'{out}: {convert_voc(Path(args.labels), out, args.classes)} labels')
