"""Run the demo: make a toy dataset, train ESPNet on it, evaluate it, draw what it sees."""

import argparse
import time
from pathlib import Path

from ._arguments import ToolParser, whole_number
from ._cli import command


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff demo``."""
    parser.add_argument('--work-dir', default='work_dirs/demo', help='folder for all results')
    parser.add_argument(
        '--iters', type=whole_number(1), help='training iterations instead of the config’s'
    )


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Run it, and print what it has made."""
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
