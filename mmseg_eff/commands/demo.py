"""Train ESPNet on a toy dataset and draw what it sees; --photo labels a photo in seconds instead.

--photo uses the network that the package brings, which was trained on CamVid: eleven classes of
street scenes.
"""

import argparse
import time
from pathlib import Path

from ..errors import InputError
from ._arguments import ToolParser, whole_number
from ._cli import command


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff demo``."""
    parser.add_argument('--work-dir', default='work_dirs/demo', help='folder for all results')
    parser.add_argument(
        '--photo', action='store_true', help='label a sample photo with a trained network'
    )
    parser.add_argument(
        '--iters', type=whole_number(1), help='training iterations instead of the config’s'
    )


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Run one of the demos, and print what it has made."""
    if args.photo and args.iters:
        raise InputError('--photo and --iters exclude each other')
    (show_photo if args.photo else show_training)(args)


def show_photo(args: argparse.Namespace) -> None:
    """Label the sample photo."""
    from ..apis.demonstration import NETWORK, run_photo_demo

    demo = run_photo_demo(args.work_dir)
    print(', '.join(f'{name} {share:.1%}' for name, share in demo.shares.items()))
    print(f'overlay  {demo.overlay}')
    print(f'labels   {demo.labels}')
    print('\nnext, a photo of your own:')
    print(f'  mmseg-eff predict --weights {NETWORK} PHOTO --out {args.work_dir}')


def show_training(args: argparse.Namespace) -> None:
    """Train, evaluate and draw."""
    begin = time.perf_counter()
    from ..apis.demonstration import CONFIG, run_demo

    demo = run_demo(args.work_dir, args.iters)
    seconds = time.perf_counter() - begin
    print(f'\nmIoU {demo.miou:.2f} on {demo.num_images} images after {seconds:.0f} s')
    print(f'dataset        {demo.data_root}')
    print(f'checkpoint     {demo.checkpoint}')
    print(f'overlays       {demo.overlays[0].parent}/ ({len(demo.overlays)} files)')
    print(f'contact sheet  {demo.sheet}')
    print('\nnext, segment images of your own with it:')
    images, out = demo.data_root / 'images/val', Path(args.work_dir, 'val')
    print(f'  mmseg-eff predict {CONFIG} {demo.checkpoint} {images} --out {out}')
