"""Our networks and mmseg's fast ones, in torch and exported to OpenVINO, in one run:

    python benchmarks/choosing.py EXPORTS --json FIGURES.json --plot docs/images/choosing.png

Each network takes the image size that its Cityscapes mIoU was published for. The exports are made
in the folder EXPORTS, of the authors' weights where they are published, else of random ones; those
that are there are kept. The table is Markdown.
"""

import argparse
from pathlib import Path

import cv2
from optimize import randomise
from random_networks import random_checkpoint

from mmseg_eff.apis.demonstration import PHOTO
from mmseg_eff.apis.exporting import export
from mmseg_eff.apis.measuring import Candidate, benchmark
from mmseg_eff.benchmarking.run import PEERS, known_miou
from mmseg_eff.commands.benchmark import print_table
from mmseg_eff.config.load import load_config
from mmseg_eff.errors import InputError
from mmseg_eff.hub import published, resolve
from mmseg_eff.utils.image_io import write_png
from mmseg_eff.utils.printing import quiet_warnings

SIZE = (1024, 2048)  # of Cityscapes' images
WEIGHTS = (  # published, whose index names config and mIoU
    'espnet-c-p2q8_cityscapes',
    'espnet-p2q8_cityscapes',
    'espnetv2-s0.5_cityscapes',
    'espnetv2-s1.0_cityscapes',
    'espnetv2-s1.5_cityscapes',
    'espnetv2-s2.0_cityscapes',
)
PUBLISHED_MIOU = {  # in the ESeg paper, and in the model zoo of DeepLab's authors
    'eseg/eseg-s_1xb16-90k_cityscapes-512x1024': 80.1,
    'eseg/eseg-m_1xb16-90k_cityscapes-512x1024': 81.6,
    'eseg/eseg-l_1xb16-90k_cityscapes-512x1024': 82.6,
    'eseg/eseg-lite-s_1xb16-90k_cityscapes-1024x1024': 76.0,
    'eseg/eseg-lite-m_1xb16-90k_cityscapes-1024x1024': 78.6,
    'eseg/eseg-lite-l_1xb16-90k_cityscapes-1024x1024': 80.1,
    'deeplab/deeplabv3plus-mobilenetv2_1xb16-90k_cityscapes-769x769': 70.71,
}


def networks() -> dict[str, tuple[str, str | None, float | None]]:
    """Config, published weights and mIoU of each network by name; ``None`` where there is none."""
    ours = {
        row.config: (f'hub:{row.name}', row.miou) for row in map(published().get, WEIGHTS) if row
    }
    ours |= {config: (None, miou) for config, miou in PUBLISHED_MIOU.items()}
    rows = {Path(name).name: (f'mmseg_eff::{name}.py', *rest) for name, rest in ours.items()}
    return rows | {name: (f'mmseg::{path}', None, None) for name, path in PEERS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('exports', type=Path)
    parser.add_argument('--json', type=Path)
    parser.add_argument('--plot', type=Path)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--only', nargs='+', help='beginnings of names')
    parser.add_argument('--export-only', action='store_true', help='measure nothing')
    args = parser.parse_args()
    quiet_warnings()
    args.exports.mkdir(parents=True, exist_ok=True)
    image = args.exports / 'street.png'
    write_png(image, cv2.resize(cv2.imread(str(PHOTO)), SIZE[::-1], interpolation=cv2.INTER_CUBIC))

    candidates, miou = [], {}
    for name, (config, weights, known) in networks().items():
        if args.only and not name.startswith(tuple(args.only)):
            continue
        path = args.exports / f'{name.partition("_")[0]}_openvino'
        checkpoint = weights or path.with_suffix('.pth')
        if not weights and not checkpoint.exists():
            random_checkpoint(load_config(config), checkpoint, randomise)
        if not path.exists():
            print(f'exporting {name}', flush=True)
            try:
                export(
                    config, checkpoint, path, backend='openvino', images=image, threads=args.threads
                )
            except InputError as error:
                print(f'{name} only in torch: {error}')
        rows = [Candidate(name, config, resolve(str(checkpoint)))]
        known = known or known_miou(rows[0].config())
        if path.exists():
            rows.append(Candidate(path.name, str(path)))
        candidates += rows
        miou |= {row.name: known for row in rows}
    if args.export_only:
        return
    figures = benchmark(
        candidates,
        image,
        miou=miou,
        repeats=args.repeats,
        threads=args.threads,
        json_file=args.json,
        plot_file=args.plot,
    )
    print(figures[0].conditions)
    print_table(figures, use_markdown=True)


if __name__ == '__main__':
    main()
