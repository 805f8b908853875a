"""Convert COCO annotations or VOC labels into PNGs of class indices."""

import argparse
import sys

from ._arguments import ToolParser, whole_number
from ._cli import command

OWN = 'own'  # of datasets.convert_labels
DATASETS = ('voc', 'foreground')
IGNORED = 255
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
    """Convert, and print what was written."""
    from ..apis.label_tools import convert_labels

    labels = convert_labels(
        args.annotations if args.source == 'coco' else args.labels,
        args.out,
        format=args.source,
        classes=args.classes,
        min_size=getattr(args, 'min_size', None),
        like=getattr(args, 'like', None),
    )
    for note in labels.notes:
        print(note, file=sys.stderr)
    listed = f', listed in {labels.list_file}' if labels.list_file else ''
    print(f'{labels.folder}: {len(labels.names)} labels{listed}')
    if labels.metainfo_file:
        classes = ', '.join(f'{label} {name}' for label, name in enumerate(labels.classes))
        print(f'{labels.metainfo_file}: {classes}, {IGNORED} ignored')
