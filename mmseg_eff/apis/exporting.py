"""Export a network to ONNX, OpenVINO or TensorRT, checked against the original on images."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config

from .. import deploy
from ..benchmarking.complexity import check_size
from ..config.load import as_config
from ..deploy import Agreement, Latency, PrecisionFigures
from ..errors import InputError
from ..hub import resolve, weights_at
from ..inference.inputs import SUFFIXES, collect_sources, suffixes_of
from ..inference.segmentor import ImageSegmentor, load_segmentor
from ..utils.numbers import check_at_least


@dataclass(frozen=True)
class Export:
    """An exported folder and what was measured of it.

    Attributes:
        folder: The folder, for ``mmseg_eff.deploy.load_runtime`` and ``tools/predict.py``.
        report: Content of its ``report.json``: the fields below, the network's inputs and classes,
            ``versions`` of the packages, ``checkpoint_sha256``, and size and SHA-256 of the
            ``files``.
    """

    folder: Path
    report: dict

    @property
    def agreement(self) -> Agreement:
        """Labels of the float32 export compared with those of the original."""
        return Agreement(**self.report['agreement'])

    @property
    def score_difference(self) -> float | None:
        """Largest difference of probabilities or logits, as a share of their range, if exported."""
        return self.report.get('score_difference')

    @property
    def latency_ms(self) -> Latency:
        """Milliseconds from a loaded image to its labels, of the original and of the export.

        Of an export for several images, the time of all divided by their number.
        """
        return Latency(**self.report['latency_ms'])

    @property
    def reduced(self) -> PrecisionFigures | None:
        """Accuracy and time of a lower precision beside float32's; ``None`` for float32."""
        figures = self.report.get('precision_figures') or self.report.get('int8')  # earlier reports
        return figures and PrecisionFigures(
            images=figures['images'],
            miou=tuple(figures['miou']),
            network_ms=tuple(figures['network_ms']),
            agreement=Agreement(**figures['agreement']),
        )

    @property
    def int8(self) -> PrecisionFigures | None:
        """``reduced`` if the precision is int8."""
        return self.reduced if self.report.get('precision', 'int8') == 'int8' else None


def export(
    config: str | Path | Config,
    checkpoint: str | Path,
    out: str | Path,
    *,
    backend: str = 'onnx',
    precision: str = 'f32',
    size: Sequence[int] | None = None,
    any_size: bool = False,
    inside: Sequence[str] | None = None,
    batch: int | None = 1,
    output: str = 'labels',
    images: str | Path | Sequence[str | Path] | None = None,
    num_images: int = 8,
    threads: int = 0,
    layout: str = 'folder',
    calibration: int = 100,
    validation: int = 100,
    max_drop: float | None = None,
    options: Mapping[str, object] | None = None,
) -> Export:
    """Export a network into a folder that needs neither torch nor mmseg.

    The labels of the original and of the export are compared on images; the folder is written only
    if 99.99 % of them are equal, and scores differ by at most a thousandth of their range. An
    earlier export in its place is replaced.

        result = mmseg_eff.export('espnet.py', 'espnet.pth', 'exported', images='images/')
        print(result.agreement.labels, result.latency_ms.export)

    Args:
        config: Config, its file, or its name.
        checkpoint: Checkpoint of exactly this network, or ``hub:NAME``.
        out: Folder to make: a new or empty one, or an earlier export.
        backend: ``onnx``, ``openvino``, ``tensorrt`` or another one of
            ``mmseg_eff/deploy/backends``; ``openvino-int8`` is ``openvino`` with ``int8``.
        precision: ``f32``, ``bf16``, ``f16`` or ``int8``, which not every backend has. A lower one
            than ``f32`` must keep the accuracy and be faster.
        size: Height and width of all images in pixels; those of the first one by default.
        any_size: Take images of any size, which not every network allows.
        inside: What the graph does itself, not the runtime: of ``resize`` (to the network's
            input), ``normalise`` and ``labels`` (from the logits); the backend's choice by
            default, which is the last two for most.
        batch: Number of images that run together; any number with ``None``.
        output: What an image becomes: ``labels``, or ``probabilities`` or ``logits`` of its size,
            of which the largest difference to the original's is measured, too.
        images: Files, folders and globs to compare the labels on; images of the test data by
            default.
        num_images: Number of images of the test data.
        threads: CPU threads; the engine chooses with 0.
        layout: ``folder``, or a model of NVIDIA Triton, whose repository is the folder above
            ``out``: ``triton``, which OpenVINO Model Server takes too, or ``triton-python``, run
            by Triton's Python backend.
        calibration: Number of training images that ``int8`` takes ranges of values from.
        validation: Number of labelled test images that a lower precision is judged on.
        max_drop: Points of mean IoU that it may lose; 0.1 by default, and 0.5 for ``int8``.
        options: Settings of the config to override, by dotted key.

    Returns:
        The folder, and its report with agreement and times.

    Raises:
        InputError: If an argument is wrong, a package is missing, ``out`` holds anything but an
            earlier export, the network cannot be exported, its labels are not the original's, or
            a lower precision loses more than ``max_drop`` or is not faster.
        ValueError: If the engine refuses the network.
    """
    check_at_least(1, num_images=num_images, calibration=calibration, validation=validation)
    check_at_least(0, threads=threads)
    if batch is not None:
        check_at_least(1, batch=batch)
    if max_drop is not None and not math.isfinite(max_drop):
        raise InputError(f'max_drop must be a finite number, got {max_drop}')
    if any_size and size:
        raise InputError('size and any_size exclude each other: give one of them')
    backend, precision = deploy.check_precision(backend, precision)
    module = deploy.find_backend(backend)
    inside = check_limits(backend, module, inside, any_size, batch)
    size = check_size(size) if size else None
    out = Path(out)
    name = Path(os.path.abspath(out)).name
    deploy.check_layout(layout, backend, name)
    deploy.check_backend(backend)
    with deploy.new_folder(out) as folder, torch_threads(threads):
        config, checkpoint = as_config(config, options), resolve(str(checkpoint))
        paths = choose_images(config, images, num_images)
        reduction = deploy.reduction_of(config, precision, calibration, validation, max_drop)
        model = load_segmentor(config, checkpoint, 'cpu')
        report = deploy.export_to_folder(
            folder,
            model,
            ImageSegmentor(model),
            paths,
            checkpoint=checkpoint,
            backend=backend,
            size=size,
            any_size=any_size,
            inside=inside,
            batch=batch,
            output=output,
            weights=weights_facts(checkpoint),
            reduction=reduction,
            threads=threads,
            layout=layout,
            name=name,
        )
    return Export(out, report)


def weights_facts(checkpoint: str) -> dict | None:
    """Name, licence and dataset of a checkpoint that is published; ``None`` for another."""
    weights = weights_at(checkpoint)
    return weights and dict(name=weights.name, licence=weights.licence, dataset=weights.dataset)


def check_limits(
    name: str,
    backend: deploy.Backend,
    inside: Sequence[str] | None,
    any_size: bool,
    batch: int | None = 1,
) -> tuple[str, ...]:
    """What the graph does itself: what is asked for, or the backend's choice.

    Raises:
        InputError: If the backend cannot do that, or takes one size or number of images alone.
    """
    if refused := sorted(set(inside or ()) & set(deploy.PARTS) - set(backend.ALLOWED)):
        allowed = ', '.join(backend.ALLOWED) or 'nothing'
        raise InputError(f'backend {name} cannot do {refused[0]} inside; it can do {allowed}')
    if any_size and 'size' in backend.FIXED:
        raise InputError(f'backend {name} exports for one size: any_size is not possible')
    if batch is None and 'batch' in backend.FIXED:
        raise InputError(f'backend {name} exports for one number of images: name it by batch')
    return backend.INSIDE if inside is None else tuple(inside)


def choose_images(
    config: Config, images: str | Path | Sequence[str | Path] | None, num_images: int
) -> list[Path]:
    """The images to compare on: those given, or some of the config's test data.

    Raises:
        InputError: If there is none.
    """
    if images is None:
        selected = deploy.select_images(config, 'test_dataloader', num_images)
        return [image.path for image in selected]
    inputs = [str(name) for name in ([images] if isinstance(images, str | Path) else images)]
    found = collect_sources(inputs, (*SUFFIXES, *suffixes_of(config)))
    paths = [source.path for source in found if not source.is_video]
    if not paths:
        raise InputError(f'images {" ".join(inputs)}: hold no image')
    return paths


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use so many CPU threads in a block; its own choice with 0."""
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
