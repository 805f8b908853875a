"""Segment files, folders, globs and videos into label-id PNGs and coloured overlays."""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..deploy.segmentor import load_export
from ..errors import InputError
from ..inference.inputs import SUFFIXES, collect_sources, suffixes_of
from ..inference.predict import predict, without_resize
from ..inference.region_readers import REGION_SUFFIXES
from ..inference.segmentor import ImageSegmentor, load_segmentor
from ..inference.tiling import Tiling, check_tiling, file_stamp
from ..models import optimize_for_inference, predict_labels_only
from ..utils.output_folder import output_folder
from ..utils.user_errors import on_interrupt
from ..visualization.overlay import color_table, draw_overlay
from ._arguments import ToolParser, checkpoint, device, finite_number, whole_number
from ._cli import (
    add_config_arguments,
    add_crf_options,
    add_output_stride,
    build_crf,
    command,
    read_config_of,
)

DESCRIPTION = __doc__ + """ An exported folder takes the place of config and checkpoint."""
NOT_OF_LABELS = ('checkpoint', 'inputs', 'out', 'device')  # its time and size count


def check_export_options(args: argparse.Namespace) -> None:
    """Refuse options that need a config where ``args.config`` is an exported folder."""
    for name in ('cfg_options', 'output_stride', 'crf', 'crf_options', 'device'):
        if getattr(args, name):
            option = name.replace('_', '-')
            raise InputError(f'--{option} is for a config; {args.config} is an exported folder')


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff predict``."""
    add_config_arguments(parser)
    parser.add_argument(
        'checkpoint',
        type=checkpoint,
        help='checkpoint file or hub:NAME; none after an exported folder',
    )
    parser.add_argument('inputs', nargs='*', metavar='INPUT', help='file, folder, glob or video')
    parser.add_argument('--out', required=True, help='folder for labels/ and overlays/')
    parser.add_argument('--opacity', type=finite_number, default=0.5, help='of the colours, 0 to 1')
    parser.add_argument(
        '--device', type=device, help='cpu, cuda:0, …; the first GPU if there is one'
    )
    parser.add_argument(
        '--tile',
        type=whole_number(1),
        metavar='PIXELS',
        help='segment images of any size by square tiles, at their own resolution; resumable',
    )
    parser.add_argument(
        '--overlap',
        type=whole_number(0),
        default=128,
        help='margin of a tile towards its neighbours (128)',
    )
    add_output_stride(parser)
    add_crf_options(parser)


@command(add_arguments, intermixed=True)
def main(args: argparse.Namespace) -> int:
    """Parse the arguments of ``tools/predict.py`` and predict; 1 if a file failed."""
    if not 0 <= args.opacity <= 1:
        raise InputError(f'--opacity must be between 0 and 1, got {args.opacity}')
    if args.tile is not None:
        check_tiling(args.tile, args.overlap)
    crf = build_crf(args)

    is_export = Path(args.config).is_dir()
    inputs = [args.checkpoint, *args.inputs] if is_export else args.inputs
    if not inputs:
        raise InputError(f'no INPUT behind checkpoint ({args.config} is no exported folder)')
    suffixes = REGION_SUFFIXES if args.tile else SUFFIXES
    if is_export:
        check_export_options(args)
        segmentor = load_export(args.config)
        sources = collect_sources(inputs, suffixes)
        if args.tile and segmentor.runtime.report['resize']:
            raise InputError(f'--tile needs an export that does not resize; {args.config} does')
    else:
        config = read_config_of(args)
        sources = collect_sources(inputs, (*suffixes, *suffixes_of(config)))
        for step in without_resize(config) if args.tile else []:
            print(f'tiles keep the resolution of the image: no {step["type"]} of the test pipeline')
        model = load_segmentor(config, args.checkpoint, args.device)
        model = optimize_for_inference(model)
        model = model if crf else predict_labels_only(model)
        segmentor = ImageSegmentor(model, crf)
    colors = color_table(segmentor.palette)
    out = Path(args.out)

    def draw(image: NDArray[np.uint8], label: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return draw_overlay(image, label, colors, args.opacity)

    tiling = None
    if args.tile:
        settings = {name: value for name, value in vars(args).items() if name not in NOT_OF_LABELS}
        settings['weights'] = file_stamp(Path(args.config if is_export else args.checkpoint))
        tiling = Tiling(args.tile, args.overlap, settings)
    again = 'goes on with the tiles that are missing' if tiling else 'begins anew'
    kept = f'what is finished is kept in {out}; the same command {again}'
    with output_folder(out), on_interrupt(kept):
        failed = predict(sources, out, segmentor, draw, tiling)
    print(f'{len(sources) - len(failed)} of {len(sources)} inputs: {out}/labels, {out}/overlays')
    if crf:
        print(crf.timing())
    for reason in failed.values():
        print(f'error: {reason}', file=sys.stderr)
    return 1 if failed else 0
