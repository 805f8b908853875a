"""What a network loses in bfloat16 or float16, on a processor that has neither:

    python benchmarks/rounded.py CONFIG CHECKPOINT [--images IMAGE... | --num-images N]

The network is the one that is exported, at the size of its first image. Each result of an operation
and each weight is rounded to the lower precision, and sums are taken in float32, as processors with
such instructions do. Engines round less often, because they join operations. Prints the mIoU of
each precision on the config's labelled test images, or with --images the labels equal to float32's.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

import mmseg_eff
from mmseg_eff.config.load import as_config
from mmseg_eff.datasets.image_reader import ImageReader
from mmseg_eff.deploy import SegmentationGraph, select_images
from mmseg_eff.deploy.validation import class_areas, mean_iou
from mmseg_eff.hub import resolve
from mmseg_eff.inference.segmentor import load_segmentor

PRECISIONS = {'f32': torch.float32, 'bf16': torch.bfloat16, 'f16': torch.float16}


class Rounding(TorchDispatchMode):
    """Round the float32 results of all operations, except those that only say it of themselves."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        return result if self.dtype == torch.float32 else tree_map(self.rounded, result)

    def rounded(self, value: object) -> object:
        """A tensor of float32 with the values of the lower precision; other values as they are."""
        if isinstance(value, Tensor) and value.dtype == torch.float32:
            return value.to(self.dtype).float()
        return value


def rounded(weights: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Weights with the values of a lower precision."""
    return {
        name: value.to(dtype).float() if value.dtype == torch.float32 else value
        for name, value in weights.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--images', nargs='+', type=Path, help='without labels')
    parser.add_argument('--num-images', type=int, default=1000, help='of the test images')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--suffix', help='of the test images, where it is not that of the config')
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    options = {'test_dataloader.dataset.img_suffix': args.suffix} if args.suffix else {}
    config = as_config(args.config, options)
    model = load_segmentor(config, resolve(args.checkpoint), 'cpu')
    reader = ImageReader(config.test_pipeline)
    if args.images:
        paths, truths = args.images, [None] * len(args.images)
    else:
        images = select_images(config, 'test_dataloader', args.num_images)
        paths, truths = [image.path for image in images], [image.labels for image in images]
    first = reader.read(paths[0])['img']
    graph = SegmentationGraph(model, size=first.shape[:2], image=first).eval()
    weights = {name: value.clone() for name, value in graph.state_dict().items()}
    num_classes = len(model.dataset_meta['classes'])
    areas = {name: [] for name in PRECISIONS}
    shares = {name: [] for name in PRECISIONS}
    for path, truth in zip(paths, truths, strict=True):
        pixels = torch.from_numpy(reader.read(path)['img'])[None]
        labels = {}
        for name, dtype in PRECISIONS.items():
            graph.load_state_dict(rounded(weights, dtype))
            with torch.no_grad(), Rounding(dtype):
                labels[name] = graph(pixels)[0].numpy()
            shares[name].append(np.mean(labels[name] == labels['f32']))
            if truth:
                areas[name].append(class_areas(labels[name], truth(), num_classes))
    for name in PRECISIONS:
        score = f'  mIoU {mean_iou(areas[name]):.2f}' if areas[name] else ''
        print(f'{name:4}  {np.mean(shares[name]):.4%} of the labels are those of f32{score}')


if __name__ == '__main__':
    mmseg_eff.register()
    main()
