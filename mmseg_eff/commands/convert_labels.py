"""Convert labels of COCO, CVAT, Label Studio, labelme, YOLO or VOC, or masks, into index PNGs.

With ``auto`` the format is found by what the file or folder holds.
"""

import argparse
import sys

from ._arguments import ToolParser, whole_number
from ._cli import command

OWN = 'own'  # of label_formats.voc_classes
DATASETS = ('voc', 'foreground')
IGNORED = 255
OPTIONS = ('classes', 'min_size', 'like', 'colors', 'values', 'split')  # of convert_labels
FORMATS = {  # beside coco and voc, which have options of their own
    'auto': 'any of them, found by what the source holds',
    'cvat': 'CVAT, exported as "CVAT for images" (annotations.xml)',
    'cvat_masks': 'CVAT, exported as "Segmentation mask" (labelmap.txt)',
    'label_studio': "Label Studio's JSON or JSON-MIN export",
    'labelme': "labelme's JSON files",
    'yolo': 'YOLO segmentation with data.yaml',
    'colors': 'colour masks, by a table of colours',
    'values': 'grey masks of any values, such as 0 and 255',
}
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
    coco.add_argument('labels', metavar='ANNOTATIONS', help='such as instances_train2017.json')
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
    voc = sources.add_parser('voc', help='palette PNGs, whose indices are checked', epilog=USE)
    voc.add_argument('labels', help='folder such as SegmentationClassAug')
    voc.add_argument(
        '--classes',
        choices=DATASETS,
        help="VOC's classes, or its objects as one; by default VOC's, but for other palettes",
    )
    voc.add_argument(
        '--like',
        metavar='FILE',
        help='OUT.metainfo.json of another split, or a file of one name a line: its classes',
    )
    others = [sources.add_parser(name, help=what, epilog=USE) for name, what in FORMATS.items()]
    for source, name in zip(others, FORMATS, strict=True):
        source.add_argument('labels', metavar='SOURCE', help='file, folder or zip file')
        source.add_argument(
            '--like',
            metavar='FILE',
            help='OUT.metainfo.json of another split, or a file of one name a line: its classes',
        )
        if name in ('auto', 'colors'):
            source.add_argument(
                '--colors', metavar='TABLE', help='file of names and colours, or camvid'
            )
        if name in ('auto', 'values'):
            source.add_argument('--values', metavar='FILE', help='file of values and names')
        if name in ('auto', 'yolo'):
            source.add_argument('--split', help='split of data.yaml, such as train')
    for source in (coco, voc, *others):
        source.add_argument('out', metavar='OUT', help='folder for the label PNGs')


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Convert, and print what was written."""
    from ..apis.label_tools import convert_labels

    labels = convert_labels(
        args.labels,
        args.out,
        format=None if args.source == 'auto' else args.source,
        **{name: getattr(args, name, None) for name in OPTIONS},
    )
    for note in labels.notes:
        print(note, file=sys.stderr)
    classes = ', '.join(f'{label} {name}' for label, name in enumerate(labels.classes))
    print(f'{labels.folder}: {len(labels.names)} labels, listed in {labels.list_file}')
    print(f'{labels.metainfo_file}: {classes}, {IGNORED} ignored')
