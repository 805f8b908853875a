"""Memory while a folder, or the tiles of a large image, is predicted:

    python benchmarks/folder_memory.py CONFIG CHECKPOINT [--images 1000] [--size H W]
    python benchmarks/folder_memory.py CONFIG CHECKPOINT --tile 512 [--size 4096 8192]

Predicts that many copies of a drawn street, or one array of that size by tiles, and prints the
resident memory after the first tenth of the images or tiles (allocators and caches have settled),
at the end, its largest growth in between and the process's peak. Linux only.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch

from mmseg_eff.benchmarking.memory import resident
from mmseg_eff.commands._arguments import ToolParser
from mmseg_eff.commands._cli import add_config_arguments, read_config_of
from mmseg_eff.datasets.toy_street import Scene
from mmseg_eff.inference.inputs import collect_sources
from mmseg_eff.inference.prepare import prepare
from mmseg_eff.inference.region_readers import REGION_SUFFIXES
from mmseg_eff.inference.save import save_source
from mmseg_eff.inference.segmentor import load_segmentor
from mmseg_eff.inference.tile_grid import check_tiling
from mmseg_eff.inference.tiling import Tiling
from mmseg_eff.utils.printing import quiet_warnings


def make_images(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write ``count`` names of one drawn image."""
    cv2.imwrite(str(folder / '0.png'), Scene(np.random.default_rng(0), *size).image)
    for index in range(1, count):
        (folder / f'{index}.png').hardlink_to(folder / '0.png')


def make_array(path: Path, size: tuple[int, int]) -> None:
    """Write an array of noise, a strip at a time."""
    np.lib.format.open_memmap(path, 'w+', np.uint8, (*size, 3))
    rng = np.random.default_rng(0)
    for top in range(0, size[0], 256):
        strip = np.load(path, mmap_mode='r+')[top : top + 256]  # mapped anew: it counts as memory
        strip[:] = rng.integers(0, 256, strip.shape, np.uint8)


def main() -> None:
    parser = ToolParser(description=__doc__.splitlines()[0])
    add_config_arguments(parser)
    parser.add_argument('checkpoint')
    parser.add_argument('--images', type=int, default=1000)
    parser.add_argument('--size', type=int, nargs=2, default=(360, 480), metavar=('H', 'W'))
    parser.add_argument('--tile', type=int, help='predict one image of this --size by such tiles')
    parser.add_argument('--overlap', type=int, default=128)
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    quiet_warnings()
    torch.set_num_threads(args.threads)

    tiling = None
    if args.tile:
        check_tiling(args.tile, args.overlap, prefix='--')
        tiling = Tiling(args.tile, args.overlap, {})
    model = load_segmentor(read_config_of(args), args.checkpoint, 'cpu')
    segmentor, _ = prepare(model, keep_size=tiling is not None)

    with TemporaryDirectory() as folder:
        images = Path(folder, 'in')
        images.mkdir()
        if tiling:
            make_array(images / 'large.npy', args.size)
        else:
            make_images(images, args.images, args.size)
        out = Path(folder, 'out')
        memory = [
            resident('VmRSS')
            for source in collect_sources([images], REGION_SUFFIXES)
            for _ in save_source(source, out, segmentor, 0.5, tiling)
        ]
    settled = memory[len(memory) // 10 :]
    print(
        f'{len(memory)} {"tiles" if tiling else "images"}: {settled[0]:.0f} MB, '
        f'at the end {settled[-1]:.0f} MB, largest growth {max(settled) - settled[0]:.0f} MB; '
        f'largest ever {resident("VmHWM"):.0f} MB'
    )


if __name__ == '__main__':
    main()
