"""What trainings came to, from their logs, to be kept beside the commands:

    python benchmarks/results.py WORK_DIR… --out docs/results/camvid.json

For each training: its folder, config, iterations, the mIoU of every validation, the IoU of each
class in the last, and the mean loss of the first and last tenth.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np

from mmseg_eff.utils.atomic_io import replacing
from mmseg_eff.visualization.curves import read_scalars

CLASS_ROW = re.compile(
    r'^\|\s*([^|]+?)\s*\|\s*([\d.]+)\s*\|\s*[\d.]+\s*\|$', re.M
)  # class, IoU, Acc


def class_iou(work_dir: Path) -> dict[str, float]:
    """IoU of each class in the last validation that the log shows."""
    (*_, log) = sorted(work_dir.glob('*/*.log'))
    table = log.read_text().rpartition('per class results')[2]
    return {name: float(iou) for name, iou in CLASS_ROW.findall(table)}


def summary(work_dir: Path) -> dict:
    """The figures of one training."""
    scalars = read_scalars(work_dir)
    losses = [line['loss'] for line in scalars if 'loss' in line]
    tenth = max(1, len(losses) // 10)
    (config,) = work_dir.glob('*.py')
    return dict(
        work_dir=str(work_dir),
        config=config.stem,
        iterations=max(line['step'] for line in scalars),
        miou={line['step']: round(line['mIoU'], 2) for line in scalars if 'mIoU' in line},
        class_iou=class_iou(work_dir),
        loss=[round(float(np.mean(part)), 4) for part in (losses[:tenth], losses[-tenth:])],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('work_dirs', nargs='+', type=Path, metavar='WORK_DIR')
    parser.add_argument('--out', type=Path, required=True)
    args = parser.parse_args()
    trainings = [summary(work_dir) for work_dir in args.work_dirs]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(args.out) as temporary:
        temporary.write_text(json.dumps(trainings, indent=1) + '\n')


if __name__ == '__main__':
    main()
