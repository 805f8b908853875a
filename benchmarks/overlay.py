"""Time to draw an overlay, compared with mmseg's visualizer with and without class names:

    python benchmarks/overlay.py [--size H W] [--threads N]

The same street and its labels are drawn in turn in one process; prints the median times.
"""

import argparse
from functools import partial

import numpy as np
import torch
from mmengine.structures import PixelData
from timing import interleaved

from mmseg_eff.datasets.toy_street import Scene, ToyStreetDataset
from mmseg_eff.utils.printing import quiet_warnings  # first: stock mmseg needs it
from mmseg_eff.visualization.overlay import color_table, draw_overlay

from mmseg.structures import SegDataSample  # isort: skip
from mmseg.visualization import SegLocalVisualizer  # isort: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, nargs=2, default=(1024, 2048), metavar=('H', 'W'))
    parser.add_argument('--repeats', type=int, default=11)
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    quiet_warnings()

    scene = Scene(np.random.default_rng(0), *args.size)
    meta = ToyStreetDataset.METAINFO
    colors = color_table(meta['palette'])
    label = torch.from_numpy(scene.label.astype(np.int64))[None]
    sample = SegDataSample(pred_sem_seg=PixelData(data=label))
    visualizer = SegLocalVisualizer(alpha=0.5)
    visualizer.dataset_meta = meta
    rgb = scene.image[..., ::-1].copy()

    def draw_by_mmseg(with_labels: bool) -> None:
        visualizer.add_datasample(
            'overlay', rgb, sample, draw_gt=False, show=False, with_labels=with_labels
        )

    seconds = interleaved(
        {
            'mmseg with class names': partial(draw_by_mmseg, True),
            'mmseg without': partial(draw_by_mmseg, False),
            'mmseg_eff': partial(draw_overlay, scene.image, scene.label, colors),
        },
        repeats=args.repeats,
        threads=args.threads,
    )
    for name, value in seconds.items():
        print(f'{name}: {1000 * value:.1f} ms, {value / seconds["mmseg_eff"]:.1f} times ours')


if __name__ == '__main__':
    main()
