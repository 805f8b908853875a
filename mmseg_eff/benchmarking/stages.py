"""Time from an image file to its label file, stage by stage.

The stages are ``decode`` (reading the image), ``preprocess`` (the test pipeline and the
normalisation), ``network`` (up to its logits), ``labels`` (upsampling the logits, argmax) and
``write`` (a PNG). An exported folder runs in its engine; what is inside its graph is ``network``.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.apis import init_model
from torch import nn

from ..checkpoint.io import load_weights
from ..config.load import load_config
from ..datasets.image_reader import LabelsImages
from ..deploy.segmentor import load_export
from ..errors import InputError
from ..inference.predict import without_resize
from ..inference.segmentor import ImageSegmentor
from ..models.segmentors.heads import last_head
from ..utils.image_io import write_png

TORCH = 'torch'  # the engine of a config
STAGES = ('decode', 'preprocess', 'network', 'labels', 'write')


class Candidate(NamedTuple):
    """What to time: a config, with weights or random ones, or an exported folder.

    Attributes:
        name: What tables call it.
        path: Config (see ``load_config``) or exported folder.
        checkpoint: Weights of the config's network; random ones by default.
        cfg_options: Settings of the config to override, by dotted key.
        safe_config, allow_download: See ``load_config``.
    """

    name: str
    path: str
    checkpoint: str | None = None
    cfg_options: Mapping[str, object] | None = None
    safe_config: bool = False
    allow_download: bool = False

    @property
    def is_export(self) -> bool:
        """Whether it is an exported folder."""
        return Path(self.path).is_dir()

    def config(self) -> Config:
        """The config, read anew."""
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
        engine: ``TORCH``, or the backend of an exported folder and its precision below f32.
    """

    input_shape: tuple[int, int] | None = None
    engine = TORCH

    def start(self) -> None:
        """Begin an image."""
        self.laps = dict.fromkeys(STAGES, 0.0)
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a stage; one that comes back (several scales) adds up."""
        now = time.perf_counter()
        self.laps[stage] += now - self.last
        self.last = now


def engine_of(report: dict) -> str:
    """The backend of an exported folder, as ``openvino``, or with its precision, as ``onnx-int8``.

    Args:
        report: What the folder says of itself.
    """
    backend, precision = report['backend'], report.get('precision', 'f32')
    is_named = precision == 'f32' or backend.endswith(f'-{precision}')  # as earlier exports did
    return backend if is_named else f'{backend}-{precision}'


def load_candidate(
    candidate: Candidate, threads: int, keep_size: bool
) -> tuple[LabelsImages, Clock]:
    """A network that reads and labels images, and the clock that it runs on.

    Args:
        candidate: Config or exported folder.
        threads: Threads of the exported folder's engine.
        keep_size: Leave what resizes the image out of the config's pipeline.

    Raises:
        InputError: If the config, the checkpoint or the folder cannot be read or do not fit
            together, or the network has no decode head, where its time would end.
    """
    clock = Clock()
    if candidate.is_export:
        exported = load_export(candidate.path, threads)
        run = exported.runtime.run
        clock.engine = engine_of(exported.runtime.report)

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
    if head is None:
        raise InputError(f'{candidate.name}: {type(model).__name__} has no decode_head to time')
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
