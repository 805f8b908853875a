"""Draw the loss and the mIoU of a training run."""

import argparse
import json
import math
from pathlib import Path

import matplotlib
import numpy as np

from ..errors import InputError
from ..files import replacing
from .cli import tool

matplotlib.use('Agg')
import matplotlib.pyplot as plt

SMOOTH = 5  # logged values in the running mean of the loss


def read_scalars(work_dir: Path) -> list[dict]:
    """What mmengine logged in a work dir, one dict a line; a later run replaces what it repeats.

    Raises:
        InputError: If there is no log.
    """
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    if not files:
        raise InputError(f'{work_dir}: holds no */vis_data/scalars.json of a training run')
    scalars = []
    for file in files:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        begin = min((line['step'] for line in lines), default=math.inf)
        scalars = [line for line in scalars if line['step'] < begin] + lines
    return scalars


def plot_curves(scalars: list[dict], path: Path, title: str) -> None:
    """Write a PNG with loss and mIoU over the iterations."""
    loss = np.array([(line['step'], line['loss']) for line in scalars if 'loss' in line])
    miou = np.array([(line['step'], line['mIoU']) for line in scalars if 'mIoU' in line])
    figure, left = plt.subplots(figsize=(7, 4), dpi=110, layout='constrained')
    left.plot(*loss.T, color='tab:red', alpha=0.25)
    window = min(SMOOTH, len(loss))
    mean = [np.convolve(column, np.ones(window) / window, 'valid') for column in loss.T]
    left.plot(*mean, color='tab:red')
    left.set(xlabel='iteration', ylabel='training loss', ylim=(0, None), title=title)
    left.yaxis.label.set_color('tab:red')
    if len(miou):
        right = left.twinx()
        right.plot(*miou.T, 'o-', color='tab:blue', markersize=4)
        right.set(ylabel='validation mIoU [%]', ylim=(0, 100))
        right.yaxis.label.set_color('tab:blue')
        step, best = miou[miou[:, 1].argmax()]
        right.annotate(
            f'{best:.2f}', (step, best), xytext=(0, 8), textcoords='offset points', ha='center'
        )
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png')
    plt.close(figure)


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/plot_curves.py`` and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dir', type=Path, help='work dir of a training run')
    parser.add_argument('--out', type=Path, default=Path('curves.png'), help='PNG to write')
    parser.add_argument('--title', default='')
    args = parser.parse_args(argv)
    scalars = read_scalars(args.work_dir)
    if not any('loss' in line for line in scalars):
        raise InputError(f'{args.work_dir}: its log holds no loss yet')
    plot_curves(scalars, args.out, args.title)
    print(args.out)
