"""Measure the figures of several networks in one run."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import yaml  # type: ignore[import-untyped]
from mmengine.config import Config
from numpy.typing import NDArray

from ..datasets.image_reader import ImageReader
from ..datasets.toy_street import Scene
from ..errors import InputError
from ..utils.image_io import write_png
from .complexity import complexity
from .report import Figures
from .stages import Candidate
from .timing import take_turns
from .workers import Worker, close_all

PEERS = {  # mmseg's own configs of networks of this kind
    'BiSeNetV2': 'bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py',
    'DDRNet-23-slim': 'ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py',
    'PIDNet-S': 'pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py',
    'STDC1': 'stdc/stdc1_in1k-pre_4xb12-80k_cityscapes-512x1024.py',
    'Fast-SCNN': 'fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py',
    'SegFormer-B0': 'segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py',
    'DeepLabV3+ MobileNetV2': (
        'mobilenet_v2/mobilenet-v2-d8_deeplabv3plus_4xb2-80k_cityscapes-512x1024.py'
    ),
}
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


def make_images(
    files: Sequence[str | Path], size: tuple[int, int] | None, folder: Path
) -> list[Path]:
    """Images to time on: the files, at a size (H, W) if given; without files a drawn street.

    A resized file keeps its channels and its depth.

    Args:
        files: Image files.
        size: Height and width in pixels.
        folder: Where to write the images that are made.

    Raises:
        InputError: If a file to resize cannot be decoded by OpenCV.
    """
    if files and size is None:
        return [Path(file) for file in files]
    images: list[NDArray[Any]]
    if files and size:
        read = ImageReader([dict(type='LoadCheckedImage', color_type='unchanged')]).read
        images = [cv2.resize(read(file)['img'], size[::-1]) for file in files]
    else:
        images = [Scene(np.random.default_rng(0), *(size or DEFAULT_SIZE)).image]
    paths = [folder / f'{number}.png' for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        write_png(path, image)
    return paths


def measure(
    candidates: Sequence[Candidate],
    images: Sequence[Path],
    miou: Mapping[str, float],
    *,
    repeats: int,
    threads: int,
    keep_size: bool,
    minutes: float = 0.0,
) -> list[Figures]:
    """Measure all figures of all candidates, each in a process of its own, in turn.

    Args:
        candidates: What to compare.
        images: Image files, used in turn.
        miou: mIoU by name; the others' are looked up beside their configs.
        repeats: Timed runs of each, at least.
        threads: Threads of each.
        keep_size: Leave what resizes the image out of the configs' pipelines.
        minutes: Time for all: the faster ones have more runs in their part of it.
    """
    workers: dict[str, Worker] = {}
    try:
        for candidate in candidates:
            workers[candidate.name] = Worker(candidate, threads, keep_size)
        with TemporaryDirectory() as folder:

            def turn(name: str) -> dict[str, float]:
                image = images[runs[name] % len(images)]
                runs[name] += 1
                return workers[name].run(image, Path(folder, 'labels.png'))

            runs = dict.fromkeys(workers, 0)
            turns = take_turns(
                {name: partial(turn, name) for name in workers},
                repeats=repeats,
                threads=threads,
                seconds=60 * minutes / len(workers),
            )
        facts = {name: worker.facts() for name, worker in workers.items()}
    finally:
        close_all([*workers.values()])
    figures = []
    for candidate in candidates:
        engine, shape, memory = facts[candidate.name]
        total = known = None
        if shape:
            config = candidate.config()
            total, known = complexity(config, shape).total, known_miou(config)
        figures.append(
            Figures(
                name=candidate.name,
                engine=engine,
                input_shape=shape,
                parameters=total and total.parameters,
                macs=total and total.macs,
                memory=memory,
                miou=miou.get(candidate.name, known),
                laps=turns.results[candidate.name],
                conditions=turns.conditions,
            )
        )
    return figures
