"""Time from an image file to its label file, stage by stage, of several networks in one run.

Stages: decoding the image; preprocessing (the test pipeline and the normalisation); the network, up
to its logits; the labels (enlarging the logits, argmax); writing a PNG. All run on the CPU in one
process, in turn on the same image, the first turn as warm-up. Memory is measured in a process of
its own for each network. Exported folders run in their engine, and what is inside their graph
counts as network.
"""

import argparse
import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import yaml
from mmengine.config import Config

from ..datasets.image_reader import ImageReader
from ..datasets.toy_street import Scene
from ..errors import InputError
from .arguments import checkpoint, finite_number, whole_number
from .benchmark_report import Figures, plot, print_table, write_json
from .cli import config_parser, tool
from .complexity import check_size, complexity
from .sources import write_png
from .stages import Candidate, load_candidate, peak_memory, run_once, take_turns

PEERS = {  # mmseg's own configs of networks of this kind
    'BiSeNetV2': 'bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py',
    'DDRNet-23-slim': 'ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py',
    'PIDNet-S': 'pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py',
    'STDC1': 'stdc/stdc1_in1k-pre_4xb12-80k_cityscapes-512x1024.py',
    'Fast-SCNN': 'fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py',
    'DeepLabV3+ MobileNetV2': (
        'mobilenet_v2/mobilenet-v2-d8_deeplabv3plus_4xb2-80k_cityscapes-512x1024.py'
    ),
}
DESCRIPTION = """Parameters, multiply-adds, memory and the time of each stage from an image file to
its label file, of configs (with random weights unless --checkpoints are given) and of folders of
tools/export.py, in one run on the CPU. mIoU is looked up in the metafile.yaml beside a config: it
was measured at that recipe's own image size, whatever --size is."""
RANDOM = '-'  # in place of a checkpoint
DEFAULT_SIZE = (512, 1024)
MAX_METAFILE = 200_000  # bytes
OTHER_SHAPE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


def known_miou(config: Config) -> float | None:
    """mIoU of a config in the ``metafile.yaml`` beside it, if there is one.

    Raises:
        InputError: If that file is no list of models, or too large.
    """
    path = Path(config.filename)
    metafile = path.with_name('metafile.yaml')
    if not metafile.is_file():
        return None
    try:
        with metafile.open('rb') as file:
            text = file.read(MAX_METAFILE + 1)
        if len(text) > MAX_METAFILE:
            raise ValueError
        for model in yaml.safe_load(text)['Models']:
            if model['Name'] == path.stem:
                results = model['Results']
                result = results[0] if isinstance(results, list) else results
                miou = result['Metrics'].get('mIoU')
                return None if miou is None else float(miou)
    except (*OTHER_SHAPE, yaml.YAMLError) as error:
        raise InputError(
            f'{metafile}: expected Models with Name and Results, in at most {MAX_METAFILE} bytes'
        ) from error
    return None


def make_images(files: Sequence[str], size: tuple[int, int] | None, folder: Path) -> list[Path]:
    """Images to time on: the files, at a size (H, W) if given; without files a drawn street.

    A resized file keeps its channels and its depth.

    Raises:
        InputError: If a file to resize cannot be decoded by OpenCV.
    """
    if not files:
        images = [Scene(np.random.default_rng(0), *(size or DEFAULT_SIZE)).image]
    elif size is None:
        return [Path(file) for file in files]
    else:
        read = ImageReader([dict(type='LoadCheckedImage', color_type='unchanged')]).read
        images = [cv2.resize(read(file)['img'], size[::-1]) for file in files]
    paths = [folder / f'{index}.png' for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        write_png(path, image)
    return paths


def find_candidates(args: argparse.Namespace) -> list[Candidate]:
    """What the arguments ask to compare.

    Raises:
        InputError: If checkpoints do not match the configs, or two would have one name.
    """
    checkpoints = args.checkpoints or [RANDOM] * len(args.config)
    if len(checkpoints) != len(args.config):
        raise InputError(
            f'--checkpoints needs one for each of the {len(args.config)} configs '
            f'({RANDOM} for random weights or an export), got {len(checkpoints)}'
        )
    candidates = [
        Candidate(
            name=Path(path).stem,
            path=path,
            checkpoint=None if file == RANDOM else file,
            cfg_options=args.cfg_options,
            safe_config=args.safe_config,
            allow_download=args.allow_download,
        )
        for path, file in zip(args.config, checkpoints, strict=True)
    ]
    if args.peers:
        candidates += [Candidate(name, f'mmseg::{path}') for name, path in PEERS.items()]
    names = [candidate.name for candidate in candidates]
    if len(set(names)) < len(names):
        raise InputError(f'two of the networks have the same name: {", ".join(sorted(names))}')
    return candidates


def benchmark(
    candidates: Sequence[Candidate],
    images: Sequence[Path],
    miou: Mapping[str, float],
    *,
    repeats: int,
    threads: int,
    keep_size: bool,
) -> list[Figures]:
    """Measure all figures of all candidates.

    Args:
        candidates: What to compare.
        images: Image files, used in turn.
        miou: mIoU by name; the others' are looked up beside their configs.
        repeats: Timed runs of each.
        threads: Threads of each.
        keep_size: Leave what resizes the image out of the configs' pipelines.
    """
    loaded = {c.name: load_candidate(c, threads, keep_size) for c in candidates}
    with TemporaryDirectory() as folder:

        def turn(name: str) -> dict[str, float]:
            index = counts[name] % len(images)
            counts[name] += 1
            return run_once(*loaded[name], images[index], Path(folder, 'labels.png'))

        counts = dict.fromkeys(loaded, 0)
        laps = take_turns(
            {name: partial(turn, name) for name in loaded}, repeats=repeats, threads=threads
        )
    figures = []
    for candidate in candidates:
        shape, total, known = loaded[candidate.name][1].input_shape, None, None
        if shape:
            config = candidate.config()
            *_, total = complexity(config, shape)
            known = known_miou(config)
        figures.append(
            Figures(
                candidate.name,
                shape,
                total and total.parameters,
                total and total.macs,
                peak_memory(candidate, images, threads, keep_size),
                miou.get(candidate.name, known),
                laps[candidate.name],
            )
        )
    return figures


def read_miou(pairs: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """The numbers of ``name=value`` arguments.

    Raises:
        InputError: If one is not of this form, or names no network.
    """
    miou = {}
    for pair in pairs:
        name, _, value = pair.rpartition('=')
        try:
            miou[name] = finite_number(value)
        except ArgumentTypeError as error:
            raise InputError(f'--miou takes name=value, got {pair!r}') from error
        if name not in names:
            raise InputError(f'--miou: no network {name!r}; there are {", ".join(names)}')
    return miou


def check_outputs(
    args: argparse.Namespace, candidates: Sequence[Candidate], miou: Mapping[str, float]
) -> None:
    """Check before anything is measured that what is asked for can be written.

    Raises:
        InputError: If no mIoU is known for the picture, or a file cannot be written.
    """
    for path in filter(None, (args.json, args.plot)):
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise InputError(f'{path}: cannot be written')
    if args.plot and not miou:
        configs = [c.config() for c in candidates if not Path(c.path).is_dir()]
        if not any(map(known_miou, configs)):
            raise InputError('--plot needs the --miou of one network at least')


@tool
def main(argv: list[str] | None = None) -> None:
    """Parse the arguments of ``tools/benchmark.py``, measure and print."""
    parser = config_parser(DESCRIPTION, nargs='+')
    parser.add_argument(
        '--checkpoints',
        nargs='+',
        type=checkpoint,
        help='one for each config, a file or hub:NAME; - for random weights',
    )
    parser.add_argument('--image', nargs='+', default=[], metavar='FILE', help='images to time on')
    parser.add_argument(
        '--size',
        nargs=2,
        metavar=('H', 'W'),
        help='resize the images to this first, and leave the pipelines to do so out',
    )
    parser.add_argument('--peers', action='store_true', help=f"also mmseg's {', '.join(PEERS)}")
    parser.add_argument('--miou', nargs='+', default=[], metavar='NAME=VALUE')
    parser.add_argument('--threads', type=whole_number(1), default=2)
    parser.add_argument('--repeats', type=whole_number(1), default=21)
    parser.add_argument('--markdown', action='store_true', help='print a Markdown table')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every measured second')
    parser.add_argument('--plot', type=Path, metavar='FILE', help='draw mIoU over time, a PNG')
    args = parser.parse_args(argv)
    size = check_size(args.size) if args.size else None
    candidates = find_candidates(args)
    miou = read_miou(args.miou, [candidate.name for candidate in candidates])
    check_outputs(args, candidates, miou)
    with TemporaryDirectory() as folder:
        images = make_images(args.image, size, Path(folder))
        figures = benchmark(
            candidates,
            images,
            miou,
            repeats=args.repeats,
            threads=args.threads,
            keep_size=size is not None,
        )
    print_table(figures, args.markdown)
    if args.json:
        write_json(args.json, figures, args.threads)
    if args.plot:
        plot(args.plot, figures, args.threads)
        for missing in (f.name for f in figures if f.miou is None):
            print(f'{missing}: not in the picture; give its --miou', file=sys.stderr)
