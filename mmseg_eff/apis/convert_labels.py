"""Convert COCO annotations or VOC labels into PNGs of class indices, as VOC or as foreground."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from ..datasets import ForegroundVOCDataset, LoadCheckedAnnotations
from ..datasets.coco_masks import decode_segmentation
from ..errors import InputError
from ..files import replacing
from .arguments import ToolParser, whole_number
from .cli import tool
from .sources import write_png
from .user_errors import on_interrupt

# COCO's category ids of the VOC classes 0 to 20, as ESPNetv2's authors map them (EdgeNets).
COCO_IDS = (0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72)
VOC_LABELS = {coco: voc for voc, coco in enumerate(COCO_IDS) if voc}
CLASSES = ('voc', 'foreground')
IGNORED = 255
REQUIRED = {
    'images': ('id', 'file_name', 'height', 'width'),
    'annotations': ('id', 'image_id', 'category_id', 'segmentation'),
}


def label_table(classes: str) -> NDArray[np.uint8]:
    """New label of each VOC label (256,) for one of ``CLASSES``."""
    table = np.arange(256, dtype=np.uint8)
    if classes == 'foreground':
        for old, new in ForegroundVOCDataset.get_label_map().items():
            table[old] = new
    return table


def draw_labels(annotations: Sequence[dict], size: tuple[int, int]) -> NDArray[np.uint8]:
    """VOC labels (H, W) of one image's annotations; crowds of a VOC class are 255.

    Larger masks are drawn first, equal ones in the order given, so that small objects stay visible.
    Other categories are not drawn: what stands on a table does not cut holes into it.

    Args:
        annotations: COCO's records.
        size: Height and width.

    Raises:
        InputError: If a segmentation is damaged; names the annotation.
    """
    regions = []
    for annotation in annotations:
        value = VOC_LABELS.get(annotation['category_id'])
        if value is None:
            continue
        try:
            mask = decode_segmentation(annotation['segmentation'], size)
        except KeyError as error:
            raise InputError(f'annotation {annotation["id"]}: RLE without {error}') from error
        except (OverflowError, TypeError, ValueError) as error:
            raise InputError(f'annotation {annotation["id"]}: {error}') from error
        regions.append((mask.sum(), mask, IGNORED if annotation.get('iscrowd') else value))
    label = np.zeros(size, np.uint8)
    for _, mask, value in sorted(regions, key=lambda region: -region[0]):
        label[mask] = value
    return label


def read_coco(path: Path) -> tuple[list[dict], dict[int, list[dict]]]:
    """The images of a COCO file and, by image id, their annotations.

    Raises:
        InputError: If it is missing, no JSON or not COCO's layout.
    """
    if not path.is_file():
        raise InputError(f'{path}: no such annotation file')
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f'{path}: not JSON ({error})') from error
    for key, fields in REQUIRED.items():
        records = content.get(key) if isinstance(content, dict) else None
        if not isinstance(records, list):
            raise InputError(f'{path}: no list {key!r}; expected COCO instance annotations')
        for index, record in enumerate(records):
            for field in fields:
                if not isinstance(record, dict) or field not in record:
                    raise InputError(f'{path}: {key}[{index}] has no {field!r}')
    stems: set[str] = set()
    by_image: dict[int, list[dict]] = defaultdict(list)
    for image in content['images']:
        stem, size = Path(image['file_name']).stem, (image['height'], image['width'])
        if stem in stems or image['id'] in by_image:
            raise InputError(f'{path}: image {stem} shares its name or its id with another one')
        if not all(isinstance(side, int) and side > 0 for side in size):
            raise InputError(f'{path}: image {stem} of size {size} (height, width)')
        stems.add(stem)
        by_image[image['id']] = []
    for annotation in content['annotations']:
        if annotation['image_id'] not in by_image:
            unknown = annotation['image_id']
            raise InputError(
                f'{path}: annotation {annotation["id"]} of the unknown image {unknown}'
            )
        by_image[annotation['image_id']].append(annotation)
    return content['images'], by_image


def convert_coco(path: Path, out: Path, classes: str = 'voc', min_size: int = 256) -> list[str]:
    """Write ``out/{stem}.png`` for each image and, at the end, their stems to ``{out}.txt``.

    Args:
        path: COCO instance annotations.
        out: Folder of the labels; the list beside it serves as ``ann_file``.
        classes: One of ``CLASSES``.
        min_size: Images with a shorter side are left out, as are those without a VOC object.

    Returns:
        The stems, in the order of the file.

    Raises:
        InputError: If the file is damaged or no image is left.
    """
    images, annotations = read_coco(path)
    images = [image for image in images if min(image['height'], image['width']) >= min_size]
    table, stems = label_table(classes), []
    for image in track(images, 'converting', console=Console(stderr=True)):
        try:
            label = draw_labels(annotations[image['id']], (image['height'], image['width']))
        except InputError as error:
            raise InputError(f'{path}: {error}') from error
        if ((label > 0) & (label != IGNORED)).any():
            stems.append(Path(image['file_name']).stem)
            write_png(out / f'{stems[-1]}.png', table[label])
    if not stems:
        raise InputError(f'{path}: no image of at least {min_size} pixels holds a VOC class')
    with replacing(out.with_name(f'{out.name}.txt')) as temporary:
        temporary.write_text('\n'.join(stems) + '\n')
    return stems


def convert_voc(folder: Path, out: Path, classes: str = 'voc') -> int:
    """Write each VOC label ``folder/*.png``, grey or with a palette, to ``out`` without a palette.

    Args:
        folder: Labels 0 to 20 and 255; VOC's own lists of stems name them.
        out: Another folder.
        classes: One of ``CLASSES``.

    Returns:
        The number of labels.

    Raises:
        InputError: If there is no label, or one is damaged or holds another value.
    """
    if not folder.is_dir():
        raise InputError(f'{folder}: no such folder')
    paths = sorted(folder.glob('*.png'))
    if not paths:
        raise InputError(f'{folder}: holds no label *.png')
    if out.resolve() == folder.resolve():
        raise InputError(f'{out}: is the folder of the labels themselves; give another one')
    load, table = LoadCheckedAnnotations(len(COCO_IDS)), label_table(classes)
    for path in track(paths, 'converting', console=Console(stderr=True)):
        results = dict(seg_map_path=str(path), seg_fields=[], reduce_zero_label=False)
        write_png(out / path.name, table[load(results)['gt_seg_map']])
    return len(paths)


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/convert_labels.py`` and convert."""
    parser = ToolParser(description=__doc__)
    sources = parser.add_subparsers(dest='source', required=True)
    coco = sources.add_parser('coco', help='instance annotations; also lists the images in OUT.txt')
    coco.add_argument('annotations', help='such as instances_train2017.json')
    coco.add_argument(
        '--min-size', type=whole_number(0), default=256, help='shorter side of smallest image'
    )
    voc = sources.add_parser('voc', help='label PNGs with VOC indices, checked')
    voc.add_argument('labels', help='folder such as SegmentationClassAug')
    for source in (coco, voc):
        source.add_argument('out', help='folder for the label PNGs')
        source.add_argument('--classes', choices=CLASSES, default='voc', help='what labels mean')
    args = parser.parse_args(argv)
    out = Path(args.out).resolve()
    with on_interrupt(f'the labels written so far are kept in {out}; start the command again'):
        if args.source == 'coco':
            stems = convert_coco(Path(args.annotations), out, args.classes, args.min_size)
            print(f'{out}: {len(stems)} labels, listed in {out}.txt')
        else:
            print(f'{out}: {convert_voc(Path(args.labels), out, args.classes)} labels')
