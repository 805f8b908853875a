"""Time from an image file to its label file, stage by stage, and the memory that it takes."""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.apis import init_model
from torch import nn

from ..config.load import load_config
from ..converters import load_weights
from ..datasets.image_reader import LabelsImages
from ..deploy.segmentor import load_export
from ..inference.predict import without_resize
from ..inference.segmentor import ImageSegmentor
from ..models.segmentors.heads import last_head
from ..utils.image_io import write_png

STAGES = ('decode', 'preprocess', 'network', 'labels', 'write')


class Candidate(NamedTuple):
    """What to time: a config, with weights or random ones, or an exported folder."""

    name: str
    path: str
    checkpoint: str | None = None
    cfg_options: dict | None = None
    safe_config: bool = False
    allow_download: bool = False

    def config(self) -> Config:
        return load_config(
            self.path,
            self.cfg_options,
            safe_config=self.safe_config,
            allow_download=self.allow_download,
        )


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
