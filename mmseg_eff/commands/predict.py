"""Segment images, folders, globs, videos, cameras and streams into label-id PNGs and overlays."""

import argparse
import sys
from pathlib import Path

from ..errors import InputError
from ._arguments import ToolParser, device, finite_number, whole_number
from ._cli import (
    add_config_arguments,
    add_crf_options,
    add_output_stride,
    build_crf,
    command,
    read_config_of,
)
from ._network import add_checkpoint_arguments, find_network


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff predict``."""
    add_config_arguments(parser, nargs='?')
    add_checkpoint_arguments(parser, 'none after an exported folder in place of CONFIG; ')
    parser.add_argument(
        'inputs', nargs='*', metavar='INPUT', help='file, folder, glob, video, camera:0 or URL'
    )
    parser.add_argument(
        '--out', default='segmented', help='folder for labels/ and overlays/ (segmented)'
    )
    parser.add_argument(
        '--opacity', type=finite_number, default=0.5, help='of the colours in overlays, 0 to 1'
    )
    parser.add_argument(
        '--legend', action='store_true', help='append names and colours of the classes present'
    )
    parser.add_argument(
        '--outline', action='store_true', help='draw borders, to see dark classes on dark photos'
    )
    parser.add_argument(
        '--palette', metavar='NAME', help='colorblind: 21 colours in place of those of the dataset'
    )
    parser.add_argument(
        '--max-frames',
        type=whole_number(1),
        metavar='N',
        help='end each video, camera and stream after N frames',
    )
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
        help='margin of a tile towards its neighbours in pixels (128)',
    )
    add_output_stride(parser)
    add_crf_options(parser)


def check_export_options(args: argparse.Namespace) -> None:
    """Refuse options that need a config where ``args.config`` is an exported folder."""
    for name in ('cfg_options', 'output_stride', 'crf', 'crf_options', 'device'):
        if getattr(args, name):
            option = name.replace('_', '-')
            raise InputError(f'--{option} is for a config; {args.config} is an exported folder')


@command(add_arguments, intermixed=True)
def main(args: argparse.Namespace) -> int:
    """Predict, and print how many inputs succeeded; 1 if a file failed."""
    from ..apis.prediction import load_model, predict_to_folder
    from ..inference.tile_grid import check_tiling
    from ..utils.user_errors import on_interrupt

    if not 0 <= args.opacity <= 1:
        raise InputError(f'--opacity must be between 0 and 1, got {args.opacity}')
    if args.tile is not None:
        check_tiling(args.tile, args.overlap, prefix='--')
    crf = build_crf(args)
    is_export = not args.weights and args.checkpoint and Path(args.config).is_dir()
    if is_export:
        check_export_options(args)
        args.inputs.insert(0, args.checkpoint)
    else:
        find_network(args, 'inputs')
    if not args.inputs:
        raise InputError(f'no INPUT after checkpoint ({args.config} is no exported folder)')
    model = args.config
    if not is_export:
        config = read_config_of(args)
        model = load_model(config, args.checkpoint, device=args.device, optimize=True)

    again = 'goes on with the tiles that are missing' if args.tile else 'begins anew'
    kept = f'what is finished is kept in {Path(args.out)}; the same command {again}'
    with on_interrupt(kept):
        result = predict_to_folder(
            model,
            args.inputs,
            args.out,
            opacity=args.opacity,
            legend=args.legend,
            outline=args.outline,
            palette=args.palette,
            crf=crf,
            tile=args.tile,
            overlap=args.overlap,
            max_frames=args.max_frames,
        )
    for step in result.left_out:
        print(f'tiles keep the resolution of the image: no {step} of the test pipeline')
    succeeded = result.num_inputs - len(result.failed)
    out = result.folder
    place = f'{out}/labels, {out}/overlays' if succeeded != 1 else result.overlays[0]
    print(f'{succeeded} of {result.num_inputs} inputs: {place}')
    if result.speed:
        print(result.speed)
    if crf:
        print(crf.timing())
    for reason in result.failed.values():
        print(f'error: {reason}', file=sys.stderr)
    return 1 if result.failed else 0
