"""Time from an image file to its label file, stage by stage, and the memory that it takes."""

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.apis import init_model
from torch import nn

from ..converters import load_weights
from ..models.segmentors.heads import last_head
from .cli import load_config, quiet_warnings
from .inference import ImageSegmentor, LabelsImages, load_export
from .predict import without_resize
from .signals import follow_parent
from .sources import write_png

STAGES = ('decode', 'preprocess', 'network', 'labels', 'write')

Result = TypeVar('Result')


class Candidate(NamedTuple):
    """What to time: a config, with weights or random ones, or an exported folder."""

    name: str
    path: str
    checkpoint: str | None = None
    cfg_options: dict | None = None
    safe_config: bool = False
    allow_download: bool = False

    def config(self) -> Config:
        return load_config(argparse.Namespace(config=self.path, **self._asdict()))


class Clock:
    """Seconds of the stages of one image.

    Attributes:
        laps: Seconds by stage, since ``start``.
        input_shape: H and W of the network's input; ``None`` in an exported folder.
    """

    input_shape: tuple[int, int] | None = None

    def start(self) -> None:
        self.laps = dict.fromkeys(STAGES, 0.0)
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a stage; one that comes back (several scales) adds up."""
        now = time.perf_counter()
        self.laps[stage] += now - self.last
        self.last = now


def load_candidate(
    candidate: Candidate, threads: int, keep_size: bool
) -> tuple[LabelsImages, Clock]:
    """A network that reads and labels images, and the clock that it runs on.

    Args:
        candidate: Config or exported folder.
        threads: Threads of the exported folder's engine.
        keep_size: Leave what resizes the image out of the config's pipeline.
    """
    clock = Clock()
    if Path(candidate.path).is_dir():
        exported = load_export(candidate.path, threads)
        run = exported.runtime.run

        def run_timed(inputs: dict) -> np.ndarray:
            clock.lap('preprocess')
            output = run(inputs)
            clock.lap('network')
            return output

        exported.runtime.run = run_timed
        return exported, clock

    config = candidate.config()
    if keep_size:
        without_resize(config)
    init_default_scope(config.get('default_scope', 'mmseg'))
    model = revert_sync_batchnorm(init_model(config, device='cpu'))
    if candidate.checkpoint:
        load_weights(model, candidate.checkpoint)

    def after_preprocessing(module: nn.Module, data: tuple, output: dict) -> None:
        clock.input_shape = tuple(output['inputs'].shape[2:])
        clock.lap('preprocess')

    model.data_preprocessor.register_forward_hook(after_preprocessing)
    head = last_head(model)
    forward = head.forward  # is called without hooks

    def forward_timed(*args) -> torch.Tensor:
        logits = forward(*args)
        clock.lap('network')
        return logits

    head.forward = forward_timed
    return ImageSegmentor(model), clock


def run_once(segmentor: LabelsImages, clock: Clock, image: Path, out: Path) -> dict[str, float]:
    """Segment a file into another; seconds by stage."""
    clock.start()
    loaded = segmentor.reader.read(image)
    clock.lap('decode')
    labels = segmentor.segment(loaded)
    clock.lap('labels')
    write_png(out, labels)
    clock.lap('write')
    return clock.laps


def in_turn(functions: Mapping[str, Callable[[], Result]], repeats: int) -> dict[str, list[Result]]:
    """What functions return, called in turn; the first turn is the warm-up and left out."""
    results = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            result = function()
            if repeat:
                results[name].append(result)
    return results


def seconds_of(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def take_turns(
    functions: Mapping[str, Callable[[], Result]], *, repeats: int, threads: int
) -> dict[str, list[Result]]:
    """``in_turn`` with pinned threads.

    Prints the threads and the machine's load, which a ratio should be read with.
    """
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    before = os.getloadavg()[0]
    results = in_turn(functions, repeats)
    print(
        f'{threads} threads, {repeats} repeats, '
        f'load average {before:.2f} before, {os.getloadavg()[0]:.2f} after'
    )
    return results


def peak_memory(
    candidate: Candidate, images: Sequence[Path], threads: int, keep_size: bool
) -> float:
    """Most memory (MB, resident) that a network takes beyond the libraries, in a new process."""
    spawn = get_context('spawn')
    with ProcessPoolExecutor(1, spawn, initializer=follow_parent) as pool:
        return pool.submit(measure_peak, candidate, images, threads, keep_size).result()


def measure_peak(
    candidate: Candidate, images: Sequence[Path], threads: int, keep_size: bool
) -> float:
    """``peak_memory`` of this process, which must be a new one. Linux only."""
    quiet_warnings()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    before = resident('VmRSS')
    segmentor, clock = load_candidate(candidate, threads, keep_size)
    with TemporaryDirectory() as folder:
        for image in [*images, images[0]]:
            run_once(segmentor, clock, image, Path(folder, 'labels.png'))
    return resident('VmHWM') - before


def resident(key: str) -> float:
    """A line of ``/proc/self/status`` in MB; a child's ``ru_maxrss`` would include its parent's."""
    lines = Path('/proc/self/status').read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(key))
    return int(kilobytes) / 1e3
