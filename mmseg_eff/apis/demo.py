"""The demo: make a toy data set, train ESPNet on it, evaluate it, draw what it sees."""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from numpy.typing import NDArray

from .. import compat
from ..datasets import make_toy_street
from .cli import tool
from .inference import color_table, draw_overlay, load_segmentor, segment_image
from .predict import read_image, write_png
from .train import keep_freed_memory

CONFIG = 'configs/espnet/espnet-p2q3_1xb8-0.6k_toystreet-128x256.py'
NUM_OVERLAYS = 6
SCALE = 2  # of the contact sheet's images


def contact_sheet(
    rows: list[tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]],
    colors: NDArray[np.uint8],
    classes: tuple[str, ...],
) -> NDArray[np.uint8]:
    """One picture of images, labels and predictions side by side, with a legend.

    Args:
        rows: Image (H, W, 3) in BGR, label (H, W) and prediction (H, W) of each row.
        colors: Table of ``color_table``.
        classes: Names for the legend.
    """
    gap, band = 6, 28

    def write(canvas: NDArray[np.uint8], text: str, x: int) -> None:
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, text, (x, 19), font, 0.5, (40, 40, 40), 1, cv2.LINE_AA)

    def enlarge(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        image = cv2.resize(image, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST)
        return cv2.copyMakeBorder(image, 0, gap, 0, gap, cv2.BORDER_CONSTANT, value=(255,) * 3)

    body = np.vstack(
        [
            np.hstack([enlarge(tile) for tile in (image, colors[label], colors[prediction])])
            for image, label, prediction in rows
        ]
    )
    header, legend = (np.full((band, body.shape[1], 3), 255, np.uint8) for _ in range(2))
    for column, title in enumerate(('image', 'label (black: ignored)', 'prediction')):
        write(header, title, column * body.shape[1] // 3 + 4)
    step = body.shape[1] // len(classes)
    for index, name in enumerate(classes):
        legend[6:22, index * step + 4 : index * step + 20] = colors[index]
        write(legend, name, index * step + 26)
    return np.vstack([header, body, legend])


def train(config: Config) -> float:
    """Train and return the mIoU of the last validation, in percent."""
    keep_freed_memory()
    level, config.log_level = config.log_level, 'ERROR'  # without the dump of everything
    runner = Runner.from_cfg(config)
    for log in (runner.logger, *runner.logger.handlers):
        log.setLevel(level)
    runner.train()
    return float(runner.message_hub.get_scalar('val/mIoU').current())


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/demo.py`` and run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--work-dir', default='work_dirs/demo', help='folder for all results')
    parser.add_argument('--iters', type=int, help='training iterations instead of the config’s')
    args = parser.parse_args(argv)
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
    miou = train(config)

    checkpoint = out / (out / 'last_checkpoint').read_text().strip().rsplit('/', 1)[-1]
    model = load_segmentor(config, checkpoint, 'cpu')
    dataset = DATASETS.build(config.val_dataloader.dataset)
    colors = color_table(model.dataset_meta['palette'])
    rows, written = [], []
    for index in range(min(NUM_OVERLAYS, len(dataset))):
        info = dataset.get_data_info(index)
        image = read_image(Path(info['img_path']))
        label = cv2.imread(info['seg_map_path'], cv2.IMREAD_UNCHANGED)
        prediction = segment_image(model, image)
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
