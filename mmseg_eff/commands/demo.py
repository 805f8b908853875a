"""The demo: make a toy data set, train ESPNet on it, evaluate it, draw what it sees."""

import argparse
import time
from pathlib import Path

import cv2
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from .. import compat
from ..datasets import make_toy_street
from ..datasets.image_reader import to_display
from ..inference.segmentor import ImageSegmentor, load_segmentor
from ..training.memory import keep_freed_memory
from ..utils.image_io import write_png
from ..utils.user_errors import on_interrupt
from ..visualization.contact_sheet import contact_sheet
from ..visualization.overlay import color_table, draw_overlay
from ._arguments import ToolParser, whole_number
from ._cli import command

CONFIG = 'configs/espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
NUM_OVERLAYS = 6


def train(config: Config) -> float:
    """Train and return the mIoU of the last validation, in percent."""
    keep_freed_memory()
    level, config.log_level = config.log_level, 'ERROR'  # without the dump of everything
    runner = Runner.from_cfg(config)
    for log in (runner.logger, *runner.logger.handlers):
        log.setLevel(level)
    runner.train()
    return float(runner.message_hub.get_scalar('val/mIoU').current())


def add_arguments(parser: ToolParser) -> None:
    """Add the arguments of ``mmseg-eff demo``."""
    parser.add_argument('--work-dir', default='work_dirs/demo', help='folder for all results')
    parser.add_argument(
        '--iters', type=whole_number(1), help='training iterations instead of the config’s'
    )


@command(add_arguments)
def main(args: argparse.Namespace) -> None:
    """Parse the arguments of ``tools/demo.py`` and run it."""
    begin = time.perf_counter()
    out = Path(args.work_dir)
    config = Config.fromfile(Path(compat.PACKAGE_ROOT, '.mim', CONFIG))
    config.work_dir = args.work_dir
    config.randomness = dict(seed=0)
    if args.iters:
        config.train_cfg.update(max_iters=args.iters, val_interval=args.iters)
        config.param_scheduler[0].end = args.iters
        config.default_hooks.checkpoint.interval = args.iters
    data_root = make_toy_street(config.data_root)
    print(f'data set: {data_root}')
    with on_interrupt(f'the checkpoints are kept in {out}; start the command again'):
        miou = train(config)

    checkpoint = out / (out / 'last_checkpoint').read_text().strip().rsplit('/', 1)[-1]
    model = load_segmentor(config, checkpoint, 'cpu')
    segmentor = ImageSegmentor(model)
    dataset = DATASETS.build(config.val_dataloader.dataset)
    colors = color_table(model.dataset_meta['palette'])
    rows, written = [], []
    for index in range(min(NUM_OVERLAYS, len(dataset))):
        info = dataset.get_data_info(index)
        loaded = segmentor.reader.read(info['img_path'])
        label = cv2.imread(info['seg_map_path'], cv2.IMREAD_UNCHANGED)
        image, prediction = to_display(loaded['img']), segmentor.segment(loaded)
        rows.append((image, label, prediction))
        written.append(out / 'overlays' / Path(info['img_path']).name)
        write_png(written[-1], draw_overlay(image, prediction, colors))
    sheet = out / 'contact_sheet.png'
    write_png(sheet, contact_sheet(rows, colors, model.dataset_meta['classes']))

    print(f'\nmIoU {miou:.2f} on {len(dataset)} images after {time.perf_counter() - begin:.0f} s')
    print(f'checkpoint     {checkpoint}')
    print(f'overlays       {written[0].parent}/ ({len(written)} files)')
    print(f'contact sheet  {sheet}')
    print('\nnext, segment images of your own with it:')
    print(f'  python tools/predict.py {CONFIG} {checkpoint} {data_root}/images/val --out {out}/val')
